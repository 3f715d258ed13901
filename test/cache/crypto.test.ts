import { createSecretKey, randomBytes, webcrypto } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countSeals, KeyRing, type SealedPlace } from '../../src/cache/crypto.js';
import { decryptGcm, encryptGcm } from '../../src/cache/gcm.js';
import { createKeyFile, KEY_VARIABLE, loadKeyRing } from '../../src/cache/key-source.js';
import { CacheCorruptionError, CacheKeyError } from '../../src/errors.js';
import { testKey, testRing } from '../support/cache-entries.js';
import { thrownBy } from '../support/thrown-by.js';

/** 1,000,000 in the long run. */
const seals = Number(process.env.PROXYWHIRL_CACHE_SEALS ?? 50_000);

const place: SealedPlace = { tier: 'file', key: 'px_0123456789abcdef', field: 'password', version: 1 };

const hexKey = 'feffe9928665731c6d6a8f9467308308'.repeat(2);
const hexNonce = 'cafebabefacedbaddecaf888';
const hexText =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39';
const hexSealed =
  '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662';

describe('K-04 AES-256-GCM', () => {
  // Test cases 13 to 16 of the GCM specification submitted to NIST (McGrew and Viega, appendix B).
  it.each([
    ['00'.repeat(32), '00'.repeat(12), '', '', '', '530f8afbc74536b9a963b4f1c4cb738b'],
    [
      '00'.repeat(32),
      '00'.repeat(12),
      '',
      '00'.repeat(16),
      'cea7403d4d606b6e074ec5d3baf39d18',
      'd0d1c8a799996bf0265b98b5d48ab919',
    ],
    [hexKey, hexNonce, '', `${hexText}1aafd255`, `${hexSealed}898015ad`, 'b094dac5d93471bdec1a502270e3cc6c'],
    [
      hexKey,
      hexNonce,
      'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      hexText,
      hexSealed,
      '76fc6ece0f4e1768cddf8853bb2d551b',
    ],
  ])('gives what the specification says: key %s, nonce %s, bound to "%s"', (...texts) => {
    const [key, nonce, bound, text, sealed, tag] = texts.map((hex) => Buffer.from(hex, 'hex'));
    const inputs = { key: createSecretKey(key as Buffer), nonce: nonce as Buffer, bound: bound as Buffer };
    const expected = Buffer.concat([sealed as Buffer, tag as Buffer]);
    expect(encryptGcm(inputs, text as Buffer).toString('hex')).toBe(expected.toString('hex'));
    expect(decryptGcm(inputs, expected).toString('hex')).toBe(text?.toString('hex'));
    for (let i = 0; i < expected.length; i++) {
      const changed = Buffer.from(expected);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(() => decryptGcm(inputs, changed)).toThrow();
    }
  });
});

describe('K-04 sealing a credential', () => {
  it('gives back any text, the empty one and one that ends like the padding included', () => {
    const ring = testRing();
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(ring.open(ring.seal(text, place), place)).toBe(text);
      }),
      { numRuns: 300, examples: [[''], ['\u0080'], ['a\u0000\u0000'], ['x'.repeat(16)]] },
    );
  });

  it('is AES-256-GCM as another implementation understands it', async () => {
    const [prefix, keyId, nonce = '', body = ''] = testRing().seal('hunter2', place).split('.');
    expect([prefix, keyId]).toEqual(['pw1', testRing().keyId]);
    const key = await webcrypto.subtle.importKey('raw', testKey(), 'AES-GCM', false, ['decrypt']);
    const plain = await webcrypto.subtle.decrypt(
      {
        name: 'AES-GCM',
        iv: Buffer.from(nonce, 'base64url'),
        additionalData: Buffer.from('3:pw14:file19:px_0123456789abcdef8:password1:1'),
      },
      key,
      Buffer.from(body, 'base64url'),
    );
    expect(Buffer.from(plain).toString('latin1')).toBe(`hunter2\u0080${'\u0000'.repeat(8)}`);
  });

  it('binds it to tier, key, field and version', () => {
    const token = testRing().seal('hunter2', place);
    const elsewhere = [
      { tier: 'sqlite' },
      { key: 'px_0123456789abcdee' },
      { field: 'username' },
      { version: 2 },
      { rest: '' },
      { rest: '[1]' },
    ];
    for (const change of elsewhere) {
      expect(thrownBy(() => testRing().open(token, { ...place, ...change }))).toBeInstanceOf(
        CacheCorruptionError,
      );
    }
  });

  it('binds it to the rest of its record, whose parts no length can shift', () => {
    const token = testRing().seal('hunter2', { ...place, rest: '[1]' });
    expect(testRing().open(token, { ...place, rest: '[1]' })).toBe('hunter2');
    for (const rest of [undefined, '', '[2]', '1:[1]'])
      expect(thrownBy(() => testRing().open(token, { ...place, rest }))).toBeInstanceOf(CacheCorruptionError);
  });

  it('says once that a key has sealed 2^31 texts, whichever thread has sealed them', () => {
    const told: [string, number][] = [];
    const ring = new KeyRing([testKey()], randomBytes, (...what) => void told.push(what));
    ring.seal('', place);
    countSeals(ring, 2 ** 31 - 2);
    expect(told).toEqual([]);
    ring.seal('', place);
    countSeals(ring, 512);
    ring.seal('', place);
    expect(told).toEqual([[ring.keyId, 2 ** 31]]);
  });

  it('does not open a text of which any one character was changed', () => {
    const ring = testRing();
    const token = ring.seal('hunter2', place);
    for (let i = 0; i < token.length; i++) {
      const changed = token.slice(0, i) + (token[i] === 'A' ? 'B' : 'A') + token.slice(i + 1);
      const error = thrownBy(() => ring.open(changed, place));
      expect(['PW_CACHE_CORRUPT', 'PW_CACHE_KEY'], `at ${i}`).toContain((error as CacheKeyError).code);
    }
    // The last character of base64url has spare bits: another spelling of the same bytes.
    expect(() => ring.open('', place)).toThrow(CacheCorruptionError);
  });

  it(`never uses a nonce twice: ${seals} seals`, () => {
    let drawn = 0;
    const counting = (size: number): Uint8Array => {
      drawn += size;
      return randomBytes(size);
    };
    const nonces = new Set<string>();
    const ring = new KeyRing([testKey()], counting);
    for (let i = 0; i < seals; i++) nonces.add(ring.seal('', place).split('.')[2] ?? '');
    expect(nonces.size).toBe(seals);
    expect(drawn).toBeGreaterThanOrEqual(seals * 12);
  });

  it('tells the length of a text only to 16 bytes', () => {
    const lengths = [0, 1, 7, 15].map((n) => testRing().seal('x'.repeat(n), place).length);
    expect(new Set(lengths).size).toBe(1);
    expect(testRing().seal('x'.repeat(16), place).length).toBeGreaterThan(lengths[0] ?? 0);
  });

  it('opens with every key of the ring, seals with the first one', () => {
    const old = testRing(1).seal('hunter2', place);
    const ring = testRing(2, 1);
    expect(ring.open(old, place)).toBe('hunter2');
    expect(ring.seal('x', place).split('.')[1]).toBe(testRing(2).keyId);
    expect(ring.keyIds).toEqual([testRing(2).keyId, testRing(1).keyId]);
  });

  it('names the id of a key that is missing, and no key', () => {
    const token = testRing(1).seal('hunter2', place);
    const error = thrownBy(() => testRing(2).open(token, place));
    expect(error).toBeInstanceOf(CacheKeyError);
    expect((error as CacheKeyError).data).toEqual({ keyId: testRing(1).keyId });
    expect((error as CacheKeyError).message).toContain(testRing(1).keyId);
  });

  it('refuses a ring without a key, with a short key, with a key twice', () => {
    for (const keys of [[], [new Uint8Array(31)], [testKey(), testKey()]]) {
      expect(() => new KeyRing(keys, randomBytes)).toThrow(CacheKeyError);
    }
  });

  it('K-66 shows no key to inspect or JSON', () => {
    const shown = inspect(testRing(), { depth: 9, showHidden: true }) + JSON.stringify(testRing());
    expect(shown).not.toContain(Buffer.from(testKey()).toString('hex'));
    expect(shown).not.toMatch(/01 01 01 01|1, 1, 1, 1/);
  });
});

describe('K-04 where keys come from', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'pw-key-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const hex = Buffer.from(testKey(1)).toString('hex');
  const base64 = Buffer.from(testKey(2)).toString('base64');

  it('takes several from the variable, the first one seals', async () => {
    const ring = await loadKeyRing({ env: { [KEY_VARIABLE]: `${hex}, ${base64}` }, randomBytes });
    expect(ring?.keyIds).toEqual([testRing(1).keyId, testRing(2).keyId]);
  });

  it('gives none when neither the variable nor the file is there', async () => {
    expect(await loadKeyRing({ env: {}, keyFile: join(dir, 'none'), randomBytes })).toBeNull();
    expect(await loadKeyRing({ env: { [KEY_VARIABLE]: ' ' }, randomBytes })).toBeNull();
  });

  it('writes a key file for the owner only, and reads it back', async () => {
    const keyFile = join(dir, 'key');
    const umask = process.umask(0);
    try {
      await createKeyFile(keyFile, randomBytes);
    } finally {
      process.umask(umask);
    }
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    const ring = await loadKeyRing({ env: {}, keyFile, randomBytes });
    expect(ring?.keyIds).toHaveLength(1);
    await expect(createKeyFile(keyFile, randomBytes)).rejects.toBeInstanceOf(CacheKeyError);
    expect((await loadKeyRing({ env: {}, keyFile, randomBytes }))?.keyId).toBe(ring?.keyId);
  });

  it('refuses a key file that others may read, and a link', async () => {
    const keyFile = join(dir, 'key');
    writeFileSync(keyFile, hex, { mode: 0o600 });
    symlinkSync(keyFile, join(dir, 'link'));
    await expect(loadKeyRing({ env: {}, keyFile: join(dir, 'link'), randomBytes })).rejects.toThrow(
      /plain file/,
    );
    chmodSync(keyFile, 0o640);
    await expect(loadKeyRing({ env: {}, keyFile, randomBytes })).rejects.toThrow(/0600/);
    chmodSync(keyFile, 0o600);
    expect((await loadKeyRing({ env: {}, keyFile, randomBytes }))?.keyId).toBe(testRing(1).keyId);
  });

  it('K-66 never repeats a key that it cannot read', async () => {
    const nearly = `${hex}ff`;
    const error = await loadKeyRing({ env: { [KEY_VARIABLE]: nearly }, randomBytes }).then(
      () => expect.unreachable(),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(CacheKeyError);
    expect(inspect(error, { depth: 9 })).not.toContain(nearly.slice(0, 16));
  });
});
