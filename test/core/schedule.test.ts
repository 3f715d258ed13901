import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Schedule } from '../../src/core/schedule.js';

describe('Schedule', () => {
  it('gives what a sorted list gives, whatever is added and taken in whatever order', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), time: fc.nat({ max: 50 }) }),
      fc.record({ kind: fc.constant('take' as const), time: fc.nat({ max: 60 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const schedule = new Schedule<{ time: number; serial: number }>();
        let model: { time: number; serial: number }[] = [];
        steps.forEach(({ kind, time }, serial) => {
          if (kind === 'add') {
            const entry = { time, serial };
            schedule.add(time, entry);
            model.push(entry);
          } else {
            const taken = schedule.takeDue(time);
            const earliest = Math.min(...model.map((entry) => entry.time));
            expect(taken?.time).toBe(earliest <= time ? earliest : undefined);
            // Values stay with their times, and none comes out twice.
            if (taken !== undefined) expect(model).toContain(taken);
            model = model.filter((entry) => entry !== taken);
          }
          expect(schedule.next).toBe(Math.min(...model.map((entry) => entry.time)));
        });
      }),
      { numRuns: 400 },
    );
  });

  it('has nothing due when it is empty', () => {
    const schedule = new Schedule<string>();
    expect([schedule.next, schedule.takeDue(Number.MAX_VALUE)]).toEqual([
      Number.POSITIVE_INFINITY,
      undefined,
    ]);
  });

  it('gives a value at its time and not before', () => {
    const schedule = new Schedule<string>();
    schedule.add(10, 'a');
    expect([schedule.takeDue(9.999), schedule.takeDue(10), schedule.takeDue(10)]).toEqual([
      undefined,
      'a',
      undefined,
    ]);
  });
});
