import type { Strategy } from './strategy.js';

/** What a strategy is told besides being asked to choose. */
export type Forwarded = Pick<Strategy, 'attach' | 'changed' | 'settled' | 'save' | 'load'>;

/**
 * Hands all of it on to the strategies inside of another one; state is saved in their order. Only what one of them
 * listens to is there, so that the engine need not tell what nobody hears. A result reaches each of them, because
 * only the outer strategy is known to have chosen.
 */
export function forwardTo(inner: readonly Strategy[]): Forwarded {
  const having = (hook: keyof Forwarded): readonly Strategy[] =>
    inner.filter((one) => one[hook] !== undefined);
  const attached = having('attach');
  const told = having('changed');
  const settling = having('settled');
  const kept = having('save');
  return {
    ...(attached.length > 0 && {
      attach(serving, engine) {
        // It may be a generator, which can be walked once.
        const all = attached.length > 1 ? [...serving] : serving;
        for (const one of attached) one.attach?.(all, engine);
      },
    }),
    ...(told.length > 0 && {
      changed(candidate, serving, engine) {
        for (const one of told) one.changed?.(candidate, serving, engine);
      },
    }),
    ...(settling.length > 0 && {
      settled(candidate, outcome, engine) {
        for (const one of settling) one.settled?.(candidate, outcome, engine);
      },
    }),
    ...(kept.length > 0 && {
      save: () => kept.map((one) => one.save?.()),
      load(state) {
        const states = state as readonly unknown[];
        kept.forEach((one, i) => {
          one.load?.(states[i]);
        });
      },
    }),
  };
}
