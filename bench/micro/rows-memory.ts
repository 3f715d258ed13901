import type { Rotator } from '../../src/core/rotator.js';
import { createRotator } from '../../src/create-rotator.js';
import { usedBytes } from './measure.js';
import type { Figure } from './report.js';
import { makeProxies } from './world.js';

const SIZE = 10_000;
/** Proxies that the sessions are bound to. */
const SMALL = 100;
const SESSIONS = 1_000_000;
const MB = 1e6;
/** What a proxy costs, before and after it was used. */
export function proxyMemoryRows(): Figure[] {
  usedBytes();
  const empty = usedBytes();
  const rotator = createRotator({ proxies: makeProxies(SIZE) });
  const fresh = usedBytes() - empty;
  for (let i = 0; i < 2 * SIZE; i++)
    rotator.acquire({ url: 'https://shop.example/' }).succeed({ latencyMs: 100 });
  const used = usedBytes() - empty;
  const size = rotator.pool.size;
  return [
    { row: 'memory of 10k proxies, new', size, value: fresh / MB, unit: 'MB', ratio: null, goal: 10 },
    { row: 'memory of 10k proxies, in use', size, value: used / MB, unit: 'MB', ratio: null, goal: 10 },
  ];
}

/** What a session costs at a million of them, ids of 15 characters included, and that the bound holds. */
export function sessionMemoryRows(): Figure[] {
  const rotator = createRotator({ proxies: makeProxies(SMALL), maxSessions: SESSIONS });
  const before = usedBytes();
  bind(rotator, 0);
  const full = usedBytes();
  bind(rotator, SESSIONS);
  const later = usedBytes();
  const size = rotator.sessions.size;
  if (size !== SESSIONS) throw new Error(`${size} sessions are kept instead of ${SESSIONS}`);
  return [
    figure('a session, at 1M of them', (full - before) / SESSIONS),
    figure('a session, after another 1M took their place', (later - before) / SESSIONS),
  ];
}

function figure(row: string, value: number): Figure {
  return { row, size: SMALL, value, unit: 'B', ratio: null, goal: 128 };
}

function bind(rotator: Rotator, from: number): void {
  for (let i = from; i < from + SESSIONS; i++) rotator.acquire({ sessionId: `session-${1e6 + i}` }).release();
}
