import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { canonicalIpv6 } from '../core/ip.js';
import { OptionsError, ProxyWhirlError } from '../errors.js';

/** An address or a name that is not public, and that nobody allowed. Neither is repeated: it may be what was asked for. */
export class AddressRefusedError extends ProxyWhirlError {
  constructor() {
    super('PW_ADDRESS_REFUSED', 'The address is not a public one, or its name is reserved.');
  }
}

/** The registry of special-purpose addresses (RFC 6890, IANA): all that is not to be reached from the internet. */
const special4 = blocks([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15'],
  ...['198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
]);
/** Global unicast: everything else of IPv6 is special, the v4-compatible `::127.0.0.1` included. */
const global6 = blocks(['2000::/3']);
/** Protocol assignments with Teredo among them, documentation, and 6to4: the last leads to any IPv4 address. */
const special6 = blocks(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);
/** They stand for the IPv4 address in their last 32 bits: v4-mapped, and NAT64, by which v6-only networks reach IPv4. */
const carriers6 = blocks(['::ffff:0:0/96', '64:ff9b::/96']);

const specialName = /(?:^|\.)(?:localhost|local|internal|home\.arpa|lan|intranet|corp|onion)$/;

/** Whether an IP address is a public one. False for what is no IP address, and for one with a zone. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !special4.check(address, 'ipv4');
  const canonical = canonicalIpv6(address);
  if (canonical === undefined) return false;
  if (carriers6.check(canonical, 'ipv6')) return !special4.check(lastV4(canonical), 'ipv4');
  return global6.check(canonical, 'ipv6') && !special6.check(canonical, 'ipv6');
}

/**
 * Where connections may lead. Node asks `lookup` for names and never for IP addresses: check the host of the URL with
 * `allowsHost` before connecting, and connect with `lookup`, which checks every address of the answer. The address
 * that was checked is the one that is connected to, so that no second answer of a resolver can change it.
 */
export class AddressPolicy {
  readonly lookup: LookupFunction;
  readonly #all: boolean;
  readonly #allowed: BlockList;
  readonly #someAllowed: boolean;

  /**
   * @param allowPrivate true lets everything pass; a list of addresses and CIDR blocks lets these pass as well
   * @throws OptionsError when a block of the list cannot be read
   */
  constructor(allowPrivate: boolean | readonly string[] = false, lookup: LookupFunction = systemLookup) {
    this.#all = allowPrivate === true;
    this.#allowed = blocks(typeof allowPrivate === 'boolean' ? [] : allowPrivate);
    this.#someAllowed = typeof allowPrivate !== 'boolean' && allowPrivate.length > 0;
    this.lookup = (host, options, callback) => {
      if (!this.allowsHost(host)) return callback(refusal(), '', 0);
      lookup(host, { ...options, all: true }, (error, found) => {
        if (error !== null) return callback(error, '', 0);
        const answers = found as { address: string; family: number }[];
        const [first] = answers;
        // One private address among public ones is how a name is bound to another machine: all or nothing.
        if (first === undefined || !answers.every(({ address }) => this.allowsAddress(address)))
          return callback(refusal(), '', 0);
        if (options.all === true) callback(null, answers);
        else callback(null, first.address, first.family);
      });
    };
  }

  allowsAddress(address: string): boolean {
    if (this.#all || isPublicAddress(address)) return true;
    const family = isIP(address);
    return this.#someAllowed && family !== 0 && this.#allowed.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }

  /**
   * Whether a host may be connected to, as far as can be said without a look-up. It is read as a URL parser reads it:
   * `0x7f.1`, `2130706433` and `①②⑦.0.0.1` are 127.0.0.1. An IPv6 address may stand in brackets or without.
   */
  allowsHost(host: string): boolean {
    const name = readHost(host);
    if (name === undefined) return false;
    if (isIP(name) !== 0) return this.allowsAddress(name);
    // A single label is completed by the search list of the machine, to something inside its network.
    return this.#all || this.#someAllowed || (name.includes('.') && !specialName.test(name));
  }
}

/** Canonical: lower case, no brackets, no final dot; undefined for what is no host. */
function readHost(host: string): string | undefined {
  if (isIP(host) === 6) return canonicalIpv6(host);
  // Nothing but a host: neither a port nor another part of a URL.
  if (/[/?#@\\\s]|^[^[]*:|\]./.test(host)) return undefined;
  try {
    const url = new URL(`http://${host}`);
    const name = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
    return name === '' ? undefined : name;
  } catch {
    return undefined;
  }
}

function blocks(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', bits] = text.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    try {
      list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
    } catch {
      throw new OptionsError([{ path: 'allowPrivate', rule: 'must hold IP addresses and CIDR blocks' }]);
    }
  }
  return list;
}

/** The IPv4 address in the last 32 bits of a canonical address that starts with 96 bits of a known prefix. */
function lastV4(canonical: string): string {
  const [high = 0, low = 0] = canonical
    .split(':')
    .slice(-2)
    .map((group) => Number.parseInt(group || '0', 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** With a code of its own kind, so that it comes through Node's connect as it is. */
function refusal(): NodeJS.ErrnoException {
  return new AddressRefusedError();
}
