import type { Lease } from '../core/lease.js';
import type { Rotator } from '../core/rotator.js';
import type { AcquireContext } from '../core/selection-rules.js';
import { Judge } from '../transport/judge.js';

/** What a client's adapter is made for: `proxywhirl({...})`, or anything with an engine. */
export interface EngineHost {
  readonly rotator: Rotator;
}

/** What the adapters of all clients share with the engine: one judge with one memory, and one end. */
export interface ClientEngine {
  readonly rotator: Rotator;
  readonly judge: Judge;
  /** Null or an error where there is nothing to choose; a promise where that may be waited for. */
  acquire(context: AcquireContext): Lease | Promise<Lease | null>;
}

interface Shared extends ClientEngine {
  readonly closers: Set<() => Promise<void>>;
}

/** By engine, so that an adapter needs no private part of the object that it is given. */
const engines = new WeakMap<Rotator, Shared>();

/** Lets the adapters use the judge of this engine, and its patience. */
export function shareEngine(engine: ClientEngine): void {
  engines.set(engine.rotator, { ...engine, closers: new Set() });
}

/** The engine of a host; one that nobody shared judges with the built-in rules alone. */
export function engineOf({ rotator }: EngineHost): ClientEngine {
  return sharedOf(rotator);
}

/** Called when the engine closes; the function that comes back takes it off again. */
export function onEngineClose({ rotator }: ClientEngine, close: () => Promise<void>): () => void {
  const { closers } = sharedOf(rotator);
  closers.add(close);
  return () => void closers.delete(close);
}

/** Closes what the adapters of this engine keep open. */
export async function closeClients(rotator: Rotator): Promise<void> {
  const { closers } = sharedOf(rotator);
  await Promise.all([...closers].map((close) => close()));
}

/**
 * A lease, and never a way to go direct: what `onEmpty` says of that is Crawlee's business.
 * @throws PoolEmptyError, NoCandidateError, ClosedError
 */
export function acquireOne(engine: ClientEngine, context: AcquireContext): Lease | Promise<Lease> {
  const coming = engine.acquire(context);
  if (!(coming instanceof Promise)) return coming;
  // Asked once more, the engine says itself why there is none.
  return coming.then((lease) => lease ?? engine.rotator.acquire(context));
}

function sharedOf(rotator: Rotator): Shared {
  const present = engines.get(rotator);
  if (present !== undefined) return present;
  const judge = new Judge({
    clock: rotator.clock,
    wallNow: Date.now,
    onSuspect: (suspect) => rotator.tell('suspect', suspect),
  });
  const made: Shared = { rotator, judge, acquire: (context) => rotator.acquire(context), closers: new Set() };
  engines.set(rotator, made);
  return made;
}
