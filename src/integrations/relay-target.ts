import { readHostField, urlHost } from '../core/host.js';

/** Where a client wants its tunnel to lead. */
export interface TunnelTarget {
  /** Canonical name or address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** The target of an absolute-form request. */
export interface HttpTarget {
  /** `http://host:port`, without the port where it is 80. */
  readonly origin: string;
  /** As a `Host` header has it. */
  readonly authority: string;
  /** With its query, byte for byte as the client wrote it. */
  readonly path: string;
}

/** `host:port`, and nothing that has to be guessed. */
export function readAuthority(text: string): TunnelTarget | null {
  const [, name = '', digits = ''] = /^(\[[^\]]+\]|[^:[\]/?#@\\]+):([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const host = readHostField(name)?.name;
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port };
}

/** Null for everything but `http://host[:port][/path]`: `https` needs a tunnel, user info was never sent by anybody in good faith. */
export function readHttpTarget(url: string): HttpTarget | null {
  if (!/^http:\/\//i.test(url)) return null;
  const end = /[/?#]/.exec(url.slice(7))?.index ?? url.length - 7;
  const given = url.slice(7, 7 + end);
  const target = readAuthority(/:[0-9]+$/.test(given) ? given : `${given}:80`);
  if (target === null) return null;
  const host = urlHost(target.host);
  const authority = target.port === 80 ? host : `${host}:${target.port}`;
  const [rest = ''] = url.slice(7 + end).split('#', 1);
  return { origin: `http://${authority}`, authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}
