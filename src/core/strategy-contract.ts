import { NoCandidateError, StrategyContractError, StrategyMetadataError } from '../errors.js';
import type { Candidate, Candidates, Strategy } from '../strategies/strategy.js';
import { Events } from './events.js';
import { Pool } from './pool.js';

/** Addresses for documentation (RFC 5737): nothing is ever sent to them. */
const LINES = ['192.0.2.1:1', '192.0.2.2:1', '192.0.2.3:1'];
const engine = { now: 0, random: () => 0.5 };

/** What may be a name; anything else is not repeated, because it may be a misplaced URL with its credentials. */
const NAME = /^[\w.-]{1,64}$/;

/**
 * Tries a strategy of somebody else on a pool of nobody and on one of three, before it is let near a real one. One
 * that wants nobody there, or lacks data and says so by StrategyMetadataError, keeps the contract.
 * @throws StrategyContractError that names the part of the contract that is broken
 */
export function assertStrategyContract(name: string, make: () => Strategy): void {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new StrategyContractError(
      '(no name)',
      'is registered under no name: 1 to 64 letters, digits, _ . -',
    );
  }
  const strategy = attempt(name, 'threw when it was made', make);
  if (typeof strategy?.choose !== 'function') throw new StrategyContractError(name, 'has no choose()');
  if (strategy.name !== name) {
    const rule =
      typeof strategy.name === 'string' ? 'has another name than it is registered under' : 'has no name';
    throw new StrategyContractError(name, rule);
  }
  const pool = new Pool({ emaAlpha: 0.2, windowSeconds: 3600 }, new Events());
  attach(strategy, pool.candidates());
  const nobody = choice(strategy, pool.candidates());
  if (nobody !== undefined) {
    throw new StrategyContractError(name, 'chose somebody where there is nobody');
  }
  pool.replace(LINES);
  attach(strategy, pool.candidates());
  const all = pool.candidates();
  const chosen = amongThem(strategy, all);
  // Whoever was chosen is left out now: an index knows it still.
  if (chosen !== undefined)
    amongThem(
      strategy,
      all.where((candidate) => candidate !== chosen),
    );
}

function attach(strategy: Strategy, serving: Candidates): void {
  attempt(strategy.name, 'threw when it was tried', () => strategy.attach?.(serving, engine));
}

function amongThem(strategy: Strategy, candidates: Candidates): unknown {
  const chosen = choice(strategy, candidates);
  if (chosen !== undefined && ![...candidates].includes(chosen as Candidate)) {
    throw new StrategyContractError(strategy.name, 'chose what is none of the candidates');
  }
  return chosen;
}

function choice(strategy: Strategy, candidates: Candidates): unknown {
  const chosen: unknown = attempt(strategy.name, 'threw when it was tried', () => {
    try {
      return strategy.choose(candidates, {}, engine);
    } catch (error) {
      if (error instanceof StrategyMetadataError || error instanceof NoCandidateError) return undefined;
      throw error;
    }
  });
  if (chosen instanceof Promise) {
    chosen.catch(() => {}); // it is reported as asynchronous, not as an unhandled rejection
    throw new StrategyContractError(strategy.name, 'is asynchronous');
  }
  return chosen;
}

function attempt<T>(name: string, rule: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw new StrategyContractError(name, rule, { cause });
  }
}
