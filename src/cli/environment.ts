import { KEY_VARIABLE } from '../cache/key-source.js';
import { optionNames } from '../options.js';
import { readOption } from './option-path.js';

/** Options that no text can be: they are objects and functions. */
const programOnly: ReadonlySet<string> = new Set(['clock', 'random', 'classify']);

/** Those of `serve`, which have short names. */
const serveVariables: Readonly<Record<string, string>> = {
  PROXYWHIRL_HOST: 'serve.host',
  PROXYWHIRL_PORT: 'serve.port',
  PROXYWHIRL_API_KEYS: 'serve.keys',
  PROXYWHIRL_HOSTS: 'serve.hosts',
  PROXYWHIRL_RELAY_PORT: 'serve.relay.port',
};

/** Read elsewhere. */
const otherVariables: ReadonlySet<string> = new Set([KEY_VARIABLE, 'PROXYWHIRL_CONFIG']);

/** `cache.keyFile` -> `PROXYWHIRL_CACHE_KEY_FILE` */
function variableOf(option: string): string {
  return `PROXYWHIRL_${option.replaceAll('.', '_').replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

/** Name of the variable -> the option that it sets. */
export function variables(): Map<string, string> {
  const names = optionNames().filter((name) => !programOnly.has(name));
  return new Map([
    ...names.map((name) => [variableOf(name), name] as const),
    ...Object.entries(serveVariables),
  ]);
}

export interface EnvironmentOption {
  readonly variable: string;
  readonly option: string;
  readonly value: unknown;
}

/** The options that the environment sets, and the variables that look like one and are none. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): {
  readonly options: readonly EnvironmentOption[];
  readonly unknown: readonly string[];
} {
  const known = variables();
  const options: EnvironmentOption[] = [];
  const unknown: string[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('PROXYWHIRL_') || text === undefined || text === '') continue;
    if (isOrchestrated(variable, text) || otherVariables.has(variable)) continue;
    const option = known.get(variable);
    if (option === undefined) unknown.push(variable);
    else options.push({ variable, option, value: readOption(option, text) });
  }
  // `cache=true` must not undo `cache.dir`.
  options.sort((a, b) => a.option.split('.').length - b.option.split('.').length);
  return { options, unknown };
}

/** Kubernetes sets `PROXYWHIRL_PORT=tcp://10.0.0.1:8000` and more beside a Service of this name. */
function isOrchestrated(variable: string, text: string): boolean {
  return (
    (variable === 'PROXYWHIRL_PORT' && /^(?:tcp|udp|sctp):\/\//.test(text)) ||
    /^PROXYWHIRL_(?:SERVICE_(?:HOST|PORT)|PORT_\d+_)/.test(variable)
  );
}
