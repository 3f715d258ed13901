import { expect, it } from 'vitest';
import type { Outcome } from '../../src/core/outcome.js';
import { record, type TestEngine, testEngine } from '../support/test-engine.js';

const host = 'a.test:80';
const served: Outcome = { verdict: 'success', latencyMs: 20 };
const failed: Outcome = { verdict: 'ambiguous', status: 503 };
const passedOn: Outcome = { ...failed, passedOn: true };

function say({ rotator, clock, ids }: TestEngine, place: number, outcome: Outcome, at = host): string {
  clock.advance(10);
  return rotator.acquireCarrier(ids[place] ?? '', { host: at })?.settle(outcome) ?? 'none';
}

it('an answer that a proxy passed on is the target’s, although the host answers others', () => {
  for (const [outcome, verdict] of [
    [passedOn, 'target'],
    [failed, 'proxy'],
  ] as const) {
    const engine = testEngine(3);
    for (const place of [0, 1, 2]) say(engine, place, served);
    expect(say(engine, 0, outcome)).toBe(verdict);
  }
});

it('nobody is believed through whom nothing else comes', () => {
  const engine = testEngine(3);
  for (const place of [1, 2]) say(engine, place, served);
  expect(say(engine, 0, passedOn)).toBe('proxy');
});

it('nobody is believed who says so of three hosts in a row', () => {
  const engine = testEngine(3);
  say(engine, 0, served);
  for (const at of ['b.test:80', 'c.test:80', 'd.test:80']) say(engine, 0, failed, at);
  expect(say(engine, 0, passedOn)).toBe('proxy');
});

it('one who says so takes nothing from what others were charged', () => {
  const engine = testEngine(3, { breaker: { threshold: 1 } });
  const opened = record(engine.rotator, 'breaker');
  for (const place of [0, 1]) say(engine, place, served, 'b.test:80');
  expect(say(engine, 1, failed)).toBe('ambiguous');
  expect(say(engine, 0, passedOn)).toBe('target');
  say(engine, 1, failed, 'c.test:80');
  expect(opened).toMatchObject([{ proxyId: engine.ids[1], to: 'open' }]);
});
