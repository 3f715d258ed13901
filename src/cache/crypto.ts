import { createHmac, createSecretKey, KeyObject } from 'node:crypto';
import { CacheCorruptionError, CacheKeyError } from '../errors.js';
import { decryptGcm, encryptGcm, NONCE_BYTES, TAG_BYTES } from './gcm.js';

/** Where a sealed text belongs. It is bound to this place: a token that was moved elsewhere does not open. */
export interface SealedPlace {
  readonly tier: string;
  /** Key of the record. */
  readonly key: string;
  /** Name of the field within the record. */
  readonly field: string;
  /** Version of the record format. */
  readonly version: number;
  /** What else of the record must be as it was when the text is opened. @default '' */
  readonly rest?: string | undefined;
}

/** Random bytes: `crypto.randomBytes`, or a double. A nonce that repeats under one key breaks AES-GCM. */
export type RandomBytes = (size: number) => Uint8Array;

/** Half of what NIST SP 800-38D 8.3 allows for random nonces of 96 bits under one key. */
const SEAL_WARNING = 2 ** 31;
const PAD_BYTES = 16;
/** Nonces are drawn in advance: one call per 256 of them costs a tenth of a call for each. */
const NONCES_AT_ONCE = 256;

/** Key id of what is written without a key. */
export const NO_KEY = '-';

interface RingKey {
  readonly id: string;
  readonly cipher: KeyObject;
  readonly mac: KeyObject;
}

/** The keys of a ring in a form that another thread takes, the one that seals first. No package export leads here. */
export let keysOf: (ring: KeyRing) => readonly KeyObject[];
/** Counts what another thread has sealed with the first key of a ring. */
export let countSeals: (ring: KeyRing, count: number) => void;

/**
 * The keys of one cache. The first one seals, all of them open, so that a key can be replaced while records of
 * the old one are still there.
 *
 * A sealed text is `pw1.<key id>.<nonce>.<ciphertext and tag>`: AES-256-GCM, 12 random bytes per text, padded
 * to 16 bytes so that its length tells little. The key id is the first 8 hex digits of HMAC-SHA-256(key, "kid").
 */
export class KeyRing {
  static {
    keysOf = (ring) => [...ring.#keys.values()].map(({ cipher }) => cipher);
    countSeals = (ring, count) => ring.#countSeals(count);
  }

  readonly #keys: ReadonlyMap<string, RingKey>;
  readonly #first: RingKey;
  readonly #randomBytes: RandomBytes;
  readonly #onManySeals: ((keyId: string, count: number) => void) | undefined;
  #nonces: Uint8Array = new Uint8Array(0);
  #nonceAt = 0;
  #seals = 0;

  /**
   * @param keys 32 bytes each, the one that seals first
   * @param onManySeals called once, when the first key has sealed 2^31 texts: time to replace it
   * @throws CacheKeyError when there is no key, or one has another length or is there twice
   */
  constructor(
    keys: readonly (Uint8Array | KeyObject)[],
    randomBytes: RandomBytes,
    onManySeals?: (keyId: string, count: number) => void,
  ) {
    const ring = keys.map(ringKey);
    const [first] = ring;
    if (first === undefined) throw new CacheKeyError('The key ring holds no key.');
    this.#first = first;
    this.#keys = new Map(ring.map((key) => [key.id, key]));
    if (this.#keys.size < ring.length) throw new CacheKeyError('The key ring holds a key twice.', null);
    this.#randomBytes = randomBytes;
    this.#onManySeals = onManySeals;
  }

  /** Id of the key that seals. */
  get keyId(): string {
    return this.#first.id;
  }

  /** Ids of all keys, the one that seals first. */
  get keyIds(): readonly string[] {
    return [...this.#keys.keys()];
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  /** Seals `text` under the first key. */
  seal(text: string, place: SealedPlace): string {
    const nonce = this.#nonce();
    const sealed = encryptGcm({ key: this.#first.cipher, nonce, bound: boundTo(place) }, pad(text));
    this.#countSeals(1);
    return `pw1.${this.#first.id}.${Buffer.from(nonce).toString('base64url')}.${sealed.toString('base64url')}`;
  }

  /**
   * Opens what {@link seal} made for the same place.
   * @throws CacheKeyError when the key of the text is not in the ring; `data.keyId` names it.
   * @throws CacheCorruptionError when the text was changed, or belongs to another place.
   */
  open(token: string, place: SealedPlace): string {
    const parts = /^pw1\.([0-9a-f]{8})\.([\w-]{16})\.([\w-]+)$/.exec(token);
    if (parts === null) throw damaged(place, 'has no known form');
    const [, keyId = '', nonce = '', body = ''] = parts;
    const key = this.#keys.get(keyId);
    if (key === undefined) throw missingKey(keyId);
    const bytes = Buffer.from(body, 'base64url');
    // Other spellings of the same bytes exist; one that this class did not write was changed by someone.
    if (bytes.length < TAG_BYTES + PAD_BYTES || bytes.toString('base64url') !== body)
      throw damaged(place, 'has no known form');
    const inputs = { key: key.cipher, nonce: Buffer.from(nonce, 'base64url'), bound: boundTo(place) };
    try {
      return unpad(decryptGcm(inputs, bytes));
    } catch {
      // The error of node:crypto says nothing more, and is not kept as the cause: it would come from secrets.
      throw damaged(place, 'does not open with its key');
    }
  }

  /**
   * Message authentication code of a record, 128 bits as base64url.
   * @throws CacheKeyError when the key is not in the ring
   */
  mac(keyId: string, data: string): string {
    const key = this.#keys.get(keyId);
    if (key === undefined) throw missingKey(keyId);
    return hmac(key.mac, data);
  }

  #countSeals(count: number): void {
    const before = this.#seals;
    this.#seals += count;
    if (before < SEAL_WARNING && this.#seals >= SEAL_WARNING)
      this.#onManySeals?.(this.#first.id, this.#seals);
  }

  #nonce(): Uint8Array {
    if (this.#nonceAt >= this.#nonces.length) {
      this.#nonces = this.#randomBytes(NONCE_BYTES * NONCES_AT_ONCE);
      this.#nonceAt = 0;
    }
    const nonce = this.#nonces.subarray(this.#nonceAt, this.#nonceAt + NONCE_BYTES);
    this.#nonceAt += NONCE_BYTES;
    return nonce;
  }
}

const publicKey = createSecretKey(Buffer.from('proxywhirl: integrity of records without a key'));

/** MAC of a record that is written without a key: it finds flipped bytes, but not an attacker's. */
export function keylessMac(data: string): string {
  return hmac(publicKey, data);
}

function hmac(key: KeyObject, data: string): string {
  return createHmac('sha256', key).update(data).digest().toString('base64url', 0, 16);
}

function ringKey(key: Uint8Array | KeyObject): RingKey {
  const cipher = key instanceof KeyObject ? key : createSecretKey(key);
  if (cipher.symmetricKeySize !== 32) throw new CacheKeyError('A key must be 32 bytes long.');
  const id = createHmac('sha256', cipher).update('kid').digest('hex').slice(0, 8);
  // Not the cipher's key itself: each key has one purpose.
  const mac = createSecretKey(createHmac('sha256', cipher).update('mac').digest());
  return { id, cipher, mac };
}

function missingKey(keyId: string): CacheKeyError {
  return new CacheKeyError(`The key ${keyId} is not in the key ring; its records are kept unread.`, keyId);
}

function damaged({ tier, field }: SealedPlace, what: string): CacheCorruptionError {
  return new CacheCorruptionError(tier, `a sealed ${field} ${what}`);
}

/** Each part carries its length: no character can shift a border between two of them. */
function boundTo({ tier, key, field, version, rest }: SealedPlace): Buffer {
  const { length } = String(version);
  const more = rest === undefined ? '' : `${rest.length}:${rest}`;
  // Written out: this is part of each read.
  return Buffer.from(
    `3:pw1${tier.length}:${tier}${key.length}:${key}${field.length}:${field}${length}:${version}${more}`,
  );
}

/** ISO/IEC 7816-4: one byte 0x80, then zeros up to the next multiple of 16. */
function pad(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const padded = Buffer.alloc((Math.floor(bytes.length / PAD_BYTES) + 1) * PAD_BYTES);
  bytes.copy(padded);
  padded[bytes.length] = 0x80;
  return padded;
}

function unpad(padded: Buffer): string {
  return padded.toString('utf8', 0, padded.lastIndexOf(0x80));
}
