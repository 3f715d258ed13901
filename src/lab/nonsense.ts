/** Answers that no client of a proxy can make anything of. */

/** Random bytes with the high bit set first: no HTTP, SOCKS or TLS record starts like that. */
export function garbage(bytes: number, random: () => number): Uint8Array {
  const out = Uint8Array.from({ length: Math.max(1, bytes) }, () => Math.floor(random() * 256));
  out[0] = (out[0] ?? 0) | 0x80;
  return out;
}

/** A TLS 1.2 record: fatal alert 40, handshake_failure (RFC 5246, 7.2). */
export const tlsAlert: Uint8Array = Uint8Array.of(21, 3, 3, 0, 2, 2, 40);

/** What HTTP/0.9 was: a document without a head. */
export const headless = '<html><body>Welcome to the proxy</body></html>\n';

/** A right answer, but for its size: so many headers of together about so many bytes. */
export function headerFlood(headers: number, bytes: number): string {
  const lines = Array.from({ length: headers }, (_, i) => {
    const name = `X-Flood-${i}: `;
    return name + 'a'.repeat(Math.max(1, Math.floor(bytes / headers) - name.length - 2));
  });
  return `HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\n`;
}
