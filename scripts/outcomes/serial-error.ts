import type { Verdict } from '../../src/core/outcome.js';
import { TunnelError, type TunnelErrorCode, type TunnelPhase } from '../../src/transport/tunnel-error.js';

/** What an error of our own tunnel says besides. */
interface SerialTunnel {
  readonly phase: TunnelPhase;
  readonly verdict: Verdict;
  readonly proxyStatus?: number;
}

/** An error as JSON. */
export interface SerialError {
  /** Name of its class. */
  readonly ctor: string;
  readonly name: string;
  readonly code?: string;
  readonly message: string;
  readonly tunnel?: SerialTunnel;
  readonly cause?: SerialError;
}

const maxDepth = 5;

/** @param clean takes out what differs between two runs, such as ports */
export function serializeError(error: unknown, clean: (text: string) => string, depth = 0): SerialError {
  if (typeof error !== 'object' || error === null) {
    return { ctor: 'Error', name: 'Error', message: clean(String(error)) };
  }
  const { name, code, message, cause } = error as Partial<Record<keyof Error | 'code', unknown>>;
  return {
    ctor: error.constructor?.name ?? 'Object',
    name: String(name ?? ''),
    ...(typeof code === 'string' && { code }),
    message: clean(String(message ?? '')),
    ...(error instanceof TunnelError && {
      tunnel: {
        phase: error.phase,
        verdict: error.verdict,
        ...(error.proxyStatus !== undefined && { proxyStatus: error.proxyStatus }),
      },
    }),
    ...(typeof cause === 'object' &&
      cause !== null &&
      depth < maxDepth && { cause: serializeError(cause, clean, depth + 1) }),
  };
}

/** An error that a classifier cannot tell from the one that was recorded. */
export function rebuildError(serial: SerialError): Error {
  const cause = serial.cause === undefined ? undefined : rebuildError(serial.cause);
  const { ctor, name, code, message, tunnel } = serial;
  if (tunnel !== undefined) {
    const fault = {
      code: code as TunnelErrorCode,
      verdict: tunnel.verdict,
      ...(tunnel.proxyStatus !== undefined && { proxyStatus: tunnel.proxyStatus }),
      ...(cause !== undefined && { cause }),
    };
    const error = new TunnelError({ id: 'p', url: 'proxy' }, tunnel.phase, fault);
    // The text has details that its fields do not.
    return Object.defineProperty(error, 'message', { value: message });
  }
  if (ctor === 'DOMException') return new DOMException(message, name);
  const Class = { [ctor]: class extends Error {} }[ctor] ?? Error;
  const error: Error = new Class(message, ...(cause === undefined ? [] : [{ cause }]));
  if (error.name !== name) Object.defineProperty(error, 'name', { value: name });
  return code === undefined ? error : Object.assign(error, { code });
}
