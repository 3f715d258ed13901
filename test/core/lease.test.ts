import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lease } from '../../src/core/lease.js';
import type { Outcome, Verdict } from '../../src/core/outcome.js';
import { faultWeight } from '../../src/core/outcome.js';
import { parseProxy } from '../../src/core/parse.js';

const proxy = parseProxy('http://192.0.2.1:8000');

function lease(charge: (outcome: Outcome) => Verdict = ({ verdict }) => verdict): {
  subject: Lease;
  charged: Outcome[];
} {
  const charged: Outcome[] = [];
  const fields = { id: 1, proxy, startedAt: 1000, sessionId: undefined, host: undefined };
  const subject = new Lease(fields, (_lease, outcome) => {
    charged.push(outcome);
    return charge(outcome);
  });
  return { subject, charged };
}

const ending = fc.constantFrom<(lease: Lease) => Verdict>(
  (subject) => subject.succeed({ latencyMs: 5 }),
  (subject) => subject.fail({ verdict: 'proxy' }),
  (subject) => subject.fail({ verdict: 'banned' }),
  (subject) => subject.release(),
  (subject) => subject.settle({ verdict: 'target' }),
);

describe('Lease', () => {
  it('is settled exactly once: the first ending counts, the others return what was charged', () => {
    fc.assert(
      fc.property(fc.array(ending, { minLength: 1 }), (endings) => {
        const { subject, charged } = lease();
        expect([subject.settled, subject.verdict]).toEqual([false, null]);
        const verdicts = endings.map((end) => end(subject));
        expect(charged).toHaveLength(1);
        expect(subject.settled).toBe(true);
        expect(new Set([...verdicts, subject.verdict, charged[0]?.verdict]).size).toBe(1);
      }),
    );
  });

  it('returns the verdict that was charged, which may be another than the one reported', () => {
    const { subject } = lease(() => 'proxy');
    expect([subject.fail({ verdict: 'ambiguous' }), subject.verdict]).toEqual(['proxy', 'proxy']);
  });

  it('hands over what is known of a success, and nothing when it is released', () => {
    const first = lease();
    first.subject.succeed({ latencyMs: 12, status: 200, bytes: 3 });
    expect(first.charged).toEqual([{ verdict: 'success', latencyMs: 12, status: 200, bytes: 3 }]);
    const second = lease();
    second.subject.release();
    expect(second.charged).toEqual([{ verdict: 'neutral' }]);
  });

  it('is settled already while its result is being charged', () => {
    const { subject, charged } = lease(({ verdict }) => {
      subject.release();
      return verdict;
    });
    expect(subject.fail({ verdict: 'proxy' })).toBe('proxy');
    expect(charged).toHaveLength(1);
  });
});

describe('faultWeight', () => {
  it.each([
    ['success', 0],
    ['proxy', 1],
    ['auth', 1],
    ['banned', 0],
    ['target', 0],
    ['ambiguous', 0.5],
    ['local', 0],
    ['neutral', 0],
  ] as const)('of %s is %s', (verdict, weight) => {
    expect(faultWeight(verdict)).toBe(weight);
  });
});
