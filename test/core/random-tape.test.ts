import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomTape } from '../../src/core/random-tape.js';
import { seededRandom } from '../support/seeded-random.js';

/** 1, 2, 3, ... */
function counting(): () => number {
  let last = 0;
  return () => ++last;
}

const draws = (tape: RandomTape, count: number): number[] => Array.from({ length: count }, () => tape.next());

describe('RandomTape', () => {
  it('hands on the numbers of its source', () => {
    expect(draws(new RandomTape(counting()), 4)).toEqual([1, 2, 3, 4]);
  });

  it('draws what a trial drew once more, in the same order', () => {
    const tape = new RandomTape(counting());
    draws(tape, 1);
    const trial = tape.rehearse((random) => [random(), random()]);
    expect(trial).toEqual({ result: [2, 3], drawn: [2, 3] });
    expect(tape.rehearse((random) => random())).toEqual({ result: 2, drawn: [2] });
    expect(draws(tape, 3)).toEqual([2, 3, 4]);
  });

  it('puts the numbers back when the trial throws', () => {
    const tape = new RandomTape(counting());
    const failing = (): unknown =>
      tape.rehearse((random) => {
        throw new Error(`after ${random()}`);
      });
    expect(failing).toThrow('after 1');
    expect(failing).toThrow('after 1');
    expect(draws(tape, 2)).toEqual([1, 2]);
  });

  it('takes a drawn 0 for a number', () => {
    const tape = new RandomTape(counting());
    tape.rehearse((random) => random());
    expect(new RandomTape(() => 0).rehearse((random) => random()).result).toBe(0);
    const zeros = [0, 0, 5];
    const fromZeros = new RandomTape(() => zeros.shift() ?? Number.NaN);
    fromZeros.rehearse((random) => random() + random());
    expect(draws(fromZeros, 3)).toEqual([0, 0, 5]);
  });

  it('gives the numbers of its source in order, whatever trials come between and within', () => {
    const depth = fc.array(fc.tuple(fc.nat(4), fc.nat(3), fc.boolean()), { maxLength: 20 });
    fc.assert(
      fc.property(depth, fc.nat(), (steps, seed) => {
        const [tape, plain] = [new RandomTape(seededRandom(seed)), seededRandom(seed)];
        for (const [real, tried, nested] of steps) {
          const trial = tape.rehearse((random) => {
            for (let i = 0; i < tried; i++) random();
            if (nested) tape.rehearse((inner) => inner() + inner());
          });
          expect(trial.drawn).toHaveLength(tried);
          for (let i = 0; i < real; i++) expect(tape.next()).toBe(plain());
        }
      }),
      { numRuns: 300 },
    );
  });
});
