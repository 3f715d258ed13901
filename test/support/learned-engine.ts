import type { Rotator } from '../../src/core/rotator.js';
import type { Snapshot } from '../../src/core/snapshot.js';
import type { RotatorOptions } from '../../src/options.js';
import { ban, teach } from './teaching.js';
import { blame, type TestEngine, testEngine } from './test-engine.js';

/** A snapshot as it comes back from wherever it was kept. */
export const overJson = (rotator: Rotator): Snapshot =>
  JSON.parse(JSON.stringify(rotator.snapshot())) as Snapshot;

/** An engine in which something of each kind has been learned. */
export function learnedEngine(options: RotatorOptions = {}): TestEngine {
  const engine = testEngine(5, { random: () => 0, ...options });
  const { rotator, ids, clock } = engine;
  const [a, b, c, d] = ids as [string, string, string, string];
  teach(rotator, a, { ok: 3, latencyMs: 120 });
  clock.advance(130_000);
  blame(rotator, b, 5);
  blame(rotator, c, 2);
  ban(rotator, d, 'a.test', 20_000);
  ban(rotator, d, 'b.test', 60_000);
  rotator.acquireCarrier(d)?.settle({ verdict: 'ambiguous' });
  rotator.acquire({ sessionId: 's1', exclude: [b] }).succeed({ latencyMs: 80 });
  rotator.acquire({ sessionId: 's2', exclude: [a, b] }).fail({ verdict: 'proxy' });
  clock.advance(4000);
  return engine;
}
