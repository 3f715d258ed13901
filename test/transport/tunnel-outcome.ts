import { parseProxy } from '../../src/core/parse.js';
import { openTunnel, type TunnelOptions } from '../../src/transport/tunnel.js';
import { TunnelError } from '../../src/transport/tunnel-error.js';
import { loopTime } from '../support/loop-time.js';

/** How an attempt failed, in the fields that callers act on. */
export interface Failure {
  readonly code: string;
  readonly phase: string;
  readonly verdict: string;
  readonly error: TunnelError;
  /** While the event loop turned. */
  readonly tookMs: number;
}

/** Opens a tunnel that must not open. */
export async function failureOf(
  proxyUrl: string,
  options: Partial<Omit<TunnelOptions, 'proxy'>> = {},
): Promise<Failure> {
  const passed = loopTime();
  try {
    const { socket } = await openTunnel({
      proxy: parseProxy(proxyUrl),
      host: 'localhost',
      port: 443,
      ...options,
    });
    socket.destroy();
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    const { code, phase, verdict } = error;
    return { code, phase, verdict, error, tookMs: passed() };
  }
  throw new Error('The tunnel opened');
}
