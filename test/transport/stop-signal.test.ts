import { expect, it } from 'vitest';
import { Stop, type StopSignal } from '../../src/transport/stop-signal.js';

it.each([
  ['ours', () => new Stop()],
  [
    'Node’s',
    () => {
      const controller = new AbortController();
      return Object.assign(controller.signal, { abort: (reason?: unknown) => controller.abort(reason) });
    },
  ],
] as [string, () => StopSignal & { abort(reason?: unknown): void }][])(
  'a signal of %s tells each listener once, with the first reason',
  (_, make) => {
    const signal = make();
    const told: string[] = [];
    const gone = (): void => void told.push('gone');
    signal.addEventListener('abort', gone);
    signal.addEventListener('abort', () => told.push(String(signal.aborted)), { once: true });
    signal.removeEventListener('abort', gone);
    expect(signal.aborted).toBe(false);
    signal.abort('first');
    signal.abort('second');
    signal.addEventListener('abort', () => told.push('late'));
    expect([told, signal.aborted, signal.reason]).toEqual([['true'], true, 'first']);
  },
);
