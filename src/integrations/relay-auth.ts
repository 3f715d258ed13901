import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { findCountry } from '../core/geo.js';
import { isSessionId } from '../core/sessions.js';
import type { RelayCredentials } from './relay-options.js';

/** What a client asks for by its user name. */
export interface RelayWishes {
  readonly sessionId?: string;
  readonly country?: string;
}

/** A word that the user name may be continued with, and its value: up to the next such word, so that ids may hold `-`. */
const wishPattern = /-(session|country)-(.+?)(?=-(?:session|country)-|$)/gy;

/**
 * Lets clients in. A user name is `<username>-session-<id>-country-<code>`; both wishes are optional, and where no
 * credentials are asked for so is the name itself.
 */
export class RelayDoor {
  readonly #credentials: RelayCredentials | null;
  /** Digests of equal length can be compared without telling how much was right. */
  readonly #key: Buffer = randomBytes(32);

  constructor(credentials: RelayCredentials | null) {
    this.#credentials = credentials;
  }

  /** Whether nobody gets in without a user name and a password. */
  get locked(): boolean {
    return this.#credentials !== null;
  }

  /** What the client wishes; null when it must stay outside. */
  admit(username: string, password: string): RelayWishes | null {
    if (this.#credentials === null) return readWishes(username === '' ? '' : `-${username}`);
    const { username: name, password: secret } = this.#credentials;
    const known = this.#equal(username.slice(0, name.length), name);
    const right = this.#equal(password, secret);
    return known && right ? readWishes(username.slice(name.length)) : null;
  }

  /** {@link admit} by the value of `Proxy-Authorization`. */
  admitBasic(header: string | undefined): RelayWishes | null {
    if (header === undefined) return this.locked ? null : {};
    const token = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
    if (token === undefined) return null;
    const pair = Buffer.from(token, 'base64').toString('utf8');
    const colon = pair.indexOf(':');
    return colon < 0 ? null : this.admit(pair.slice(0, colon), pair.slice(colon + 1));
  }

  #equal(given: string, expected: string): boolean {
    const digest = (text: string): Buffer => createHmac('sha256', this.#key).update(text).digest();
    return timingSafeEqual(digest(given), digest(expected));
  }
}

/** Null when there is anything that is no wish, a wish twice, or one that nobody can grant. */
function readWishes(text: string): RelayWishes | null {
  const wishes: { sessionId?: string; country?: string } = {};
  let end = 0;
  for (const { 0: whole, 1: word, 2: value = '' } of text.matchAll(wishPattern)) {
    end += whole.length;
    if (word === 'session') {
      if (wishes.sessionId !== undefined || !isSessionId(value)) return null;
      wishes.sessionId = value;
    } else {
      const country = findCountry(value);
      if (wishes.country !== undefined || country === undefined) return null;
      wishes.country = country;
    }
  }
  return end === text.length ? wishes : null;
}
