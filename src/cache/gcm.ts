import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';

/** Length of the nonce, in bytes. */
export const NONCE_BYTES = 12;
/** Length of the tag at the end of each ciphertext, in bytes. */
export const TAG_BYTES = 16;

/** What a ciphertext depends on besides the text. */
export interface GcmInputs {
  /** 32 bytes. */
  readonly key: KeyObject;
  /** 12 bytes, never used with this key before. */
  readonly nonce: Uint8Array;
  /** What the text is bound to, and is not part of the ciphertext. */
  readonly bound: Uint8Array;
}

/** AES-256-GCM (NIST SP 800-38D): the ciphertext, then the tag. */
export function encryptGcm({ key, nonce, bound }: GcmInputs, text: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(bound);
  return Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** The text of what {@link encryptGcm} gave for the same inputs. Throws when any of it was changed. */
export function decryptGcm({ key, nonce, bound }: GcmInputs, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(bound);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
}
