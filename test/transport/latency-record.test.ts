import { describe, expect, it } from 'vitest';
import { LatencyRecord } from '../../src/transport/latency-record.js';

function recordOf(...latencies: number[]): LatencyRecord {
  const record = new LatencyRecord();
  for (const latency of latencies) record.add('p', latency);
  return record;
}

describe('a latency record', () => {
  it('says nothing before the third sample', () => {
    expect(recordOf().timeoutFor('p')).toBeNull();
    expect(recordOf(10, 20).timeoutFor('p')).toBeNull();
    expect(recordOf(10, 20, 30).timeoutFor('p')).toBe(1_000);
  });

  it('is exp(mean + 3 sd) of the logarithms, more with load, and at least 1 s', () => {
    // ln: 6, 7, 8: mean 7, sd 1.
    const record = recordOf(Math.exp(6), Math.exp(7), Math.exp(8));
    expect(record.timeoutFor('p')).toBeCloseTo(Math.exp(10), 6);
    expect(record.timeoutFor('p', 2)).toBeCloseTo(Math.exp(10) * 1.7, 6);
    expect(recordOf(1, 1, 1).timeoutFor('p', 100)).toBe(1_000);
    expect(recordOf(0, 0, 0).timeoutFor('p')).toBe(1_000);
  });

  it('gives a proxy that became slow more time with each cut, until it fits', () => {
    const record = recordOf(...Array.from({ length: 40 }, (_, i) => 450 + (i % 3) * 50));
    const limits: number[] = [];
    for (let cut = 0; cut < 10; cut++) {
      const limit = record.timeoutFor('p') ?? 0;
      limits.push(limit);
      record.add('p', limit);
    }
    expect(limits[0]).toBe(1_000);
    expect(limits.at(-1)).toBeGreaterThan(1_500);
    expect(limits).toEqual([...limits].sort((a, b) => a - b));
  });

  it('forgets all but the last 40 samples', () => {
    const record = recordOf(60_000, ...Array.from({ length: 40 }, () => 2_000));
    expect(record.timeoutFor('p')).toBeCloseTo(2_000, 6);
  });

  it('is bounded: the proxy that was unused for longest is forgotten', () => {
    const record = new LatencyRecord(2);
    for (const id of ['a', 'b', 'c']) for (let i = 0; i < 3; i++) record.add(id, 10);
    expect(record.timeoutFor('a')).toBeNull();
    expect(record.timeoutFor('b')).toBe(1_000);
    record.forget('b');
    expect(record.timeoutFor('b')).toBeNull();
  });

  it('knows what 95 of 100 answers take: of the proxy from its tenth on, before that of all of them', () => {
    const record = recordOf(...Array.from({ length: 9 }, () => 100));
    expect(record.p95('p')).toBeNull();
    record.add('q', 400);
    expect(record.p95('p')).toBeCloseTo(400, 6);
    record.add('p', 100);
    expect(record.p95('p')).toBeCloseTo(100, 6);
    for (let i = 0; i < 400; i++) record.add('r', 50);
    expect(record.p95('q')).toBeCloseTo(50, 6);
  });
});
