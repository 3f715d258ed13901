import type { Strategy } from './strategy.js';

/** Each available proxy with the same chance, repeats included. */
export function random(): Strategy {
  return {
    name: 'random',
    choose: (candidates, _context, engine) => candidates.sample(engine.random),
  };
}
