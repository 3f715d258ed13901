import { parseProxy } from '../../src/core/parse.js';
import { labCaPem } from '../../src/lab/index.js';
import type { FetchAttempt } from '../../src/transport/fetch-error.js';
import type { ProxiedInit } from '../../src/transport/fetch-init.js';
import type { ProxiedResponse } from '../../src/transport/proxied-response.js';
import { openTunnel, type TunnelOptions } from '../../src/transport/tunnel.js';
import { loopTime } from '../support/loop-time.js';
import { labProxyTls, type Sender } from './engine.js';

/** How a call or a tunnel ended. */
export interface Ending {
  /** Status of an answer that came whole, `open` of a tunnel, else the code of the error. */
  readonly code: string;
  readonly ms: number;
  /** The same without what this process was too busy for. */
  readonly loopMs: number;
  readonly error: unknown;
  readonly attempts: readonly FetchAttempt[];
}

/** One call, its body read to the end. */
export async function fetchEnding(
  sender: Pick<Sender, 'fetch'>,
  url: string,
  init: ProxiedInit = {},
): Promise<Ending> {
  const startedAt = performance.now();
  const passed = loopTime();
  const ended = (code: string, error: unknown, attempts: readonly FetchAttempt[]): Ending => ({
    code,
    ms: performance.now() - startedAt,
    loopMs: passed(),
    error,
    attempts,
  });
  let response: ProxiedResponse | null = null;
  try {
    response = await sender.fetch(url, init);
    await response.arrayBuffer();
    return ended(String(response.status), null, response.attempts);
  } catch (error) {
    return ended(codeOf(error), error, attemptsOf(error) ?? response?.attempts ?? []);
  }
}

/** One tunnel to `target`, with TLS inside where that is https; one that opens is closed at once. */
export async function tunnelEnding(
  proxyUrl: string,
  target: string,
  options: Partial<TunnelOptions> = {},
): Promise<Ending> {
  const { hostname, port, protocol } = new URL(target);
  const startedAt = performance.now();
  const passed = loopTime();
  const ended = (code: string, error: unknown): Ending => ({
    code,
    ms: performance.now() - startedAt,
    loopMs: passed(),
    error,
    attempts: [],
  });
  try {
    const { socket } = await openTunnel({
      proxy: parseProxy(proxyUrl),
      host: hostname,
      port: Number(port),
      ...(protocol === 'https:' ? { tls: { ca: labCaPem } } : {}),
      proxyTls: labProxyTls,
      ...options,
    });
    socket.destroy();
    return ended('open', null);
  } catch (error) {
    return ended(codeOf(error), error);
  }
}

/** How many of them ended like that. */
export function countOf(endings: readonly Pick<Ending, 'code'>[], code: string): number {
  return endings.filter((ending) => ending.code === code).length;
}

/** What most of them took at the longest, in ms: one run that the machine was too busy for says nothing. */
export function medianMs(endings: readonly Pick<Ending, 'loopMs'>[]): number {
  const sorted = endings.map(({ loopMs }) => loopMs).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.POSITIVE_INFINITY;
}

export function longestMs(endings: readonly Pick<Ending, 'loopMs'>[]): number {
  return Math.max(...endings.map(({ loopMs }) => loopMs));
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : String(error);
}

function attemptsOf(error: unknown): readonly FetchAttempt[] | undefined {
  return (error as { attempts?: readonly FetchAttempt[] }).attempts;
}
