import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { CacheKeyError } from '../errors.js';
import { KeyRing, type RandomBytes } from './crypto.js';

/** Name of the environment variable that holds the keys, separated by commas; the first one seals. */
export const KEY_VARIABLE = 'PROXYWHIRL_CACHE_ENCRYPTION_KEY';

export interface KeySource {
  /** Where {@link KEY_VARIABLE} is looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A file with one key per line, for the owner only (0600). Read when the variable is not set. */
  readonly keyFile?: string | undefined;
  readonly randomBytes: RandomBytes;
  /** Called once, when the first key has sealed 2^31 texts: time to replace it. */
  readonly onManySeals?: ((keyId: string, count: number) => void) | undefined;
}

/**
 * The key ring that the environment or the key file gives; null when neither is there, and then no credential
 * is persisted. A key is 32 bytes as 64 hex digits or as base64 with or without padding.
 * @throws CacheKeyError when a key has another form, or the file is readable by others, a link, or not ours.
 */
export async function loadKeyRing(source: KeySource): Promise<KeyRing | null> {
  const { env, keyFile } = source;
  const given = env[KEY_VARIABLE];
  if (given !== undefined && given.trim() !== '') return ringOf(given.split(','), source);
  const text = keyFile === undefined ? null : await readKeyFile(keyFile);
  if (text === null) return null;
  return ringOf(
    text.split('\n').filter((line) => line.trim() !== ''),
    source,
  );
}

/**
 * Writes a fresh key into a new file that only its owner may read.
 * @throws CacheKeyError when there is a file of this name already: it is never overwritten.
 */
export async function createKeyFile(path: string, randomBytes: RandomBytes): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, 'wx', 0o600);
  } catch (error) {
    throw new CacheKeyError(`The key file cannot be created (${codeOf(error)}).`);
  }
  try {
    // The mode of open() is cut by the umask, which may also leave less than the owner needs.
    await file.chmod(0o600);
    await file.writeFile(`${Buffer.from(randomBytes(32)).toString('base64url')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readKeyFile(path: string): Promise<string | null> {
  let file: FileHandle;
  try {
    // A link could be turned to another file by somebody else; Windows has no such flag.
    file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw new CacheKeyError(`The key file cannot be read (${codeOf(error)}); it must be a plain file.`);
  }
  try {
    const { uid, mode } = await file.stat();
    const own = process.getuid?.();
    // Checked on the open file: a check by name could be of another one.
    if (own !== undefined && uid !== own) throw new CacheKeyError('The key file belongs to another user.');
    if (own !== undefined && (mode & 0o077) !== 0)
      throw new CacheKeyError('The key file is open to other users; make it 0600 and replace its key.');
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function ringOf(texts: readonly string[], { randomBytes, onManySeals }: KeySource): KeyRing {
  return new KeyRing(
    texts.map((text) => keyBytes(text.trim())),
    randomBytes,
    onManySeals,
  );
}

function keyBytes(text: string): Buffer {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (/^[\w+/-]{43}=?$/.test(text)) return Buffer.from(text, 'base64');
  throw new CacheKeyError('A key must be 32 bytes, written as 64 hex digits or as base64.');
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
}
