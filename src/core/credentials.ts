import type { Fault } from './fault.js';
import type { ProxyProtocol } from './protocol.js';

/** Beyond any vendor's longest session string, and well below what proxies accept in one header. */
const longestField = 1024;
/** The length of a SOCKS5 field is one byte (RFC 1929). */
const longestSocks5Field = 255;

/** Names the first rule (G13) that the credentials break for this protocol; null when they can be sent. */
export function credentialFault(
  protocol: ProxyProtocol,
  username: string | null,
  password: string | null,
): (Fault & { field: 'username' | 'password' }) | null {
  if (username !== null) {
    const why = fieldFault(protocol, username);
    if (why !== null) return { rule: 'G13', field: 'username', why: `The user name ${why}` };
    // Basic authentication ends the user name at its first colon (RFC 7617), the rest would become the password.
    if ((protocol === 'http' || protocol === 'https') && username.includes(':'))
      return { rule: 'G13', field: 'username', why: 'The user name of an HTTP proxy cannot hold a colon' };
  }
  if (password !== null) {
    if (protocol === 'socks4' || protocol === 'socks4a')
      return { rule: 'G13', field: 'password', why: 'SOCKS4 knows a user id, but no password' };
    const why = fieldFault(protocol, password);
    if (why !== null) return { rule: 'G13', field: 'password', why: `The password ${why}` };
  }
  return null;
}

function fieldFault(protocol: ProxyProtocol, text: string): string | null {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 32 || (code >= 127 && code < 160)) return 'holds a control character';
    // What a decoder leaves behind for a byte it cannot read: the credential is already damaged.
    if (code === 0xfffd) return 'holds a character that was not UTF-8';
    if (code < 128) bytes += 1;
    else if (code < 2048) bytes += 2;
    else if (code < 0xd800 || code > 0xdfff) bytes += 3;
    else {
      const next = text.charCodeAt(i + 1);
      // Half a surrogate pair has no UTF-8 form, so that no client could send it.
      if (code > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return 'holds half of a character';
      bytes += 4;
      i++;
    }
  }
  if (bytes > longestField) return `is longer than ${longestField} bytes`;
  if (bytes > longestSocks5Field && (protocol === 'socks5' || protocol === 'socks5h'))
    return `is longer than the ${longestSocks5Field} bytes that SOCKS5 can send`;
  return null;
}

/**
 * Percent-decodes once, all or nothing (rule G7): a text with one malformed escape stays as it is, since its
 * percent signs are then most likely meant as such.
 */
export function decodeCredential(text: string): string {
  let at = text.indexOf('%');
  if (at < 0) return text;
  for (; at >= 0; at = text.indexOf('%', at + 3)) {
    if (!isHex(text.charCodeAt(at + 1)) || !isHex(text.charCodeAt(at + 2))) return text;
  }
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isHex(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102);
}
