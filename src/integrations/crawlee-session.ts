import { AsyncLocalStorage } from 'node:async_hooks';

/** The part of Crawlee's Session that is used. */
export interface CrawleeSession {
  markGood?(): void;
  markBad?(): void;
  retire?(): void;
}

/** A handler of the user's that runs now. */
interface HandlerRun {
  readonly session: CrawleeSession;
  /** Null when it is over. */
  onBad: ((method: string) => void) | null;
}

interface Shadow {
  handlers: number;
  restore(): void;
}

const current = new AsyncLocalStorage<HandlerRun | null>();
const shadows = new WeakMap<CrawleeSession, Shadow>();

/**
 * Tells when the handler that starts now, in this asynchronous context, calls `session.markBad()` or `retire()`. What
 * Crawlee or another handler of the same session calls is told to nobody. The function that comes back ends it; when
 * no handler of the session runs any more, the session is as it was.
 */
export function heedSession(session: CrawleeSession, onBad: (method: string) => void): () => void {
  const shadow = shadows.get(session) ?? shadowMethods(session);
  if (shadow === null) return () => {};
  shadow.handlers += 1;
  const run: HandlerRun = { session, onBad };
  current.enterWith(run);
  return () => {
    if (run.onBad === null) return;
    run.onBad = null;
    shadow.handlers -= 1;
    if (shadow.handlers === 0) shadow.restore();
  };
}

function shadowMethods(session: CrawleeSession): Shadow | null {
  const names = ['markGood', 'markBad', 'retire'] as const;
  const before = names.map((name) => [name, Object.getOwnPropertyDescriptor(session, name)] as const);
  if (!Object.isExtensible(session) || before.some(([, own]) => own?.configurable === false)) return null;
  for (const name of names) {
    const method = session[name];
    if (typeof method !== 'function') continue;
    const shadow = (...args: unknown[]): unknown => {
      const run = current.getStore();
      if (name !== 'markGood' && run?.session === session) run.onBad?.(`session.${name}`);
      // A session that is used up retires itself: that is no complaint.
      return current.run(null, () => Reflect.apply(method, session, args) as unknown);
    };
    Object.defineProperty(session, name, { configurable: true, writable: true, value: shadow });
  }
  const shadow: Shadow = {
    handlers: 0,
    restore() {
      shadows.delete(session);
      for (const [name, own] of before) {
        if (own === undefined) Reflect.deleteProperty(session, name);
        else Object.defineProperty(session, name, own);
      }
    },
  };
  shadows.set(session, shadow);
  return shadow;
}
