import { canonicalIpv6, isIpv4 } from './ip.js';

/** What a host looks like: an address, a name with a dot, or a single label. The first two are rarely anything else. */
export type HostKind = 'ip' | 'dotted' | 'bare';

export interface Host {
  /** Canonical: lower case, punycode, no final dot, IPv6 without brackets. */
  readonly name: string;
  readonly kind: HostKind;
}

/**
 * Reads a host (rule G6): a strict dotted IPv4 address, an IPv6 address in brackets, or a DNS name.
 * Undefined when it is none of them.
 */
export function readHost(text: string): Host | undefined {
  if (text.charCodeAt(0) === 91) {
    const address = text.endsWith(']') ? canonicalIpv6(text.slice(1, -1)) : undefined;
    return address === undefined ? undefined : { name: address, kind: 'ip' };
  }
  if (isIpv4(text)) return { name: text, kind: 'ip' };
  const name = canonicalName(text);
  return name === undefined ? undefined : { name, kind: name.includes('.') ? 'dotted' : 'bare' };
}

/**
 * Whether the text would most likely be read as a host. A name that needs punycode is taken for one unseen: this is
 * asked for many pieces of one line, and mapping each of them would let a hostile line cost milliseconds.
 */
export function looksLikeHost(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 128) return true;
  return /xn--/i.test(text) || readHost(text) !== undefined;
}

/** {@link readHost} for a field of its own, where an IPv6 address may stand without brackets. */
export function readHostField(text: string): Host | undefined {
  return text.includes(':') && text.charCodeAt(0) !== 91 ? readHost(`[${text}]`) : readHost(text);
}

/** The host as it stands in a URL. */
export function urlHost(name: string): string {
  return name.includes(':') ? `[${name}]` : name;
}

/** 253 characters, and one final dot that does not count (RFC 1035). */
const longestName = 254;

function canonicalName(text: string): string | undefined {
  if (text.length === 0 || text.length > longestName) return undefined;
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  let plain = true;
  for (let i = 0; i < bare.length; i++) {
    const code = bare.charCodeAt(i);
    if (code >= 128) plain = false;
    else if (!isNameCode(code)) return undefined;
  }
  const lower = bare.toLowerCase();
  // Labels in punycode go the long way too: clients refuse a URL whose `xn--` label decodes to nothing.
  if (!plain || lower.includes('xn--')) return internationalName(bare);
  return isDnsName(lower) ? lower : undefined;
}

/**
 * UTS 46 mapping and punycode through the URL global, asked for a host and nothing else: all ASCII delimiters were
 * refused before. Full-width digits map to digits, so that the result could be an IPv4 address that nobody can
 * see in the line; {@link isDnsName} refuses it, as its last label is a number.
 */
function internationalName(name: string): string | undefined {
  try {
    const mapped = new URL(`http://${name}`).hostname;
    const bare = mapped.endsWith('.') ? mapped.slice(0, -1) : mapped;
    return isDnsName(bare) ? bare : undefined;
  } catch {
    return undefined;
  }
}

/** `a-z A-Z 0-9 - _ .` */
function isNameCode(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 48 && code <= 57) ||
    (code >= 65 && code <= 90) ||
    code === 45 ||
    code === 46 ||
    code === 95
  );
}

function isDnsName(name: string): boolean {
  if (name.length === 0 || name.length > 253) return false;
  let start = 0;
  while (true) {
    const dot = name.indexOf('.', start);
    const end = dot < 0 ? name.length : dot;
    const length = end - start;
    if (length === 0 || length > 63) return false;
    if (name.charCodeAt(start) === 45 || name.charCodeAt(end - 1) === 45) return false;
    for (let i = start; i < end; i++) if (!isNameCode(name.charCodeAt(i))) return false;
    if (dot < 0) return !isNumeric(name.slice(start));
    start = dot + 1;
  }
}

/** A last label that URL parsers take for a number makes the whole name an IPv4 address to them: `1.2.3`, `a.0x7f`. */
function isNumeric(label: string): boolean {
  return /^(?:[0-9]+|0x[0-9a-f]*)$/.test(label);
}
