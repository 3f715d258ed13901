import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Lease } from '../core/lease.js';
import type { Rotator } from '../core/rotator.js';
import type { AcquireContext } from '../core/selection-rules.js';
import { ClosedError, NoCandidateError, PoolEmptyError } from '../errors.js';

export interface PatienceSettings {
  readonly onEmpty: 'fail' | 'wait' | 'direct';
  /** Longest wait in ms. */
  readonly waitMs: number;
  /** Aborted when the engine closes: whoever waits is told. */
  readonly signal: AbortSignal;
}

/** Node fires a longer timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Acquires; null means "go direct", which happens only when that was asked for. */
export type PatientAcquire = (context: AcquireContext) => Lease | Promise<Lease | null>;

/** `rotator.acquire()` with what `onEmpty` says about having nothing to choose. */
export function patientAcquire(rotator: Rotator, settings: PatienceSettings): PatientAcquire {
  // Node warns of the eleventh listener; as many wait as Crawlee has requests under way.
  setMaxListeners(0, settings.signal);
  return (context) => {
    try {
      return rotator.acquire(context);
    } catch (error) {
      if (!isNothingToChoose(error) || settings.onEmpty === 'fail') throw error;
      return settings.onEmpty === 'direct' ? Promise.resolve(null) : wait(rotator, context, settings);
    }
  };
}

async function wait(rotator: Rotator, context: AcquireContext, settings: PatienceSettings): Promise<Lease> {
  const deadline = rotator.clock.now() + settings.waitMs;
  for (;;) {
    try {
      return rotator.acquire(context);
    } catch (error) {
      const left = deadline - rotator.clock.now();
      if (!isNothingToChoose(error) || left <= 0) throw error;
      const dueMs = error instanceof NoCandidateError ? (error.retryAfterMs ?? left) : left;
      await changeOrDelay(rotator, Math.min(dueMs, left), settings.signal);
    }
  }
}

/** Until the pool or a breaker changes, a lease ends, `ms` have passed, or the engine closes. */
async function changeOrDelay(rotator: Rotator, ms: number, signal: AbortSignal): Promise<void> {
  const woken = new AbortController();
  const wake = () => woken.abort();
  // A probe that ends without evidence frees its proxy and changes no state: only the end of its lease tells.
  const unsubscribe = [rotator.on('pool', wake), rotator.on('breaker', wake), rotator.on('settled', wake)];
  // Not by `AbortSignal.any`: Node 20 keeps a trace of each such signal for as long as the engine lives.
  signal.addEventListener('abort', wake);
  if (signal.aborted) wake();
  try {
    // Rounded up: a timer that fires a fraction early would spin until the breaker is due. It keeps the process
    // alive, because somebody awaits it.
    await delay(Math.min(Math.ceil(ms) + 1, LONGEST_TIMER_MS), undefined, {
      signal: woken.signal,
    });
  } catch {
    if (signal.aborted) throw new ClosedError();
  } finally {
    for (const stop of unsubscribe) stop();
    signal.removeEventListener('abort', wake);
  }
}

function isNothingToChoose(error: unknown): error is NoCandidateError | PoolEmptyError {
  return error instanceof NoCandidateError || error instanceof PoolEmptyError;
}
