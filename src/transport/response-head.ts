import { parseHttpDate, parseRetryAfter } from './retry-after.js';

/** Status and the fields that are read of an answer to CONNECT. */
export interface ResponseHead {
  readonly status: number;
  /** How long the proxy asks us to stay away, in ms. */
  readonly retryAfterMs: number | undefined;
  /** What came after the head: the first bytes of the tunnel. */
  readonly rest: Buffer;
}

/** Bytes of all heads of one answer, 1xx included; node:http has the same limit. */
const maxBytes = 16 * 1024;
const maxLines = 100;

const statusLine = /^HTTP\/1\.[01] ([1-9]\d\d)(?: .*)?$/;
/** RFC 9110, 5.1: a token, then a colon. Some proxies put a blank before it, which here cannot smuggle anything. */
const fieldLine = /^([!#$%&'*+.^_`|~\w-]+)[ \t]*:(.*)$/;
const prefix = 'HTTP/1.';

/**
 * Reads the answer to a CONNECT from bytes as they come. Why not node:http: it lets a proxy drip, and it hides
 * which bytes belong to the tunnel when the answer is not the one it expects.
 */
export class ResponseHeadReader {
  #bytes: Buffer = Buffer.alloc(0);
  /** Where the line begins that is not whole yet. */
  #lineAt = 0;
  #scannedTo = 0;
  #lines = 0;
  #status = 0;
  #fields = new Map<string, string>();

  /** The head once it is whole, null while it is not, or a few words about why it is none. */
  push(chunk: Buffer): ResponseHead | string | null {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      const end = this.#bytes.indexOf(10, this.#scannedTo);
      this.#scannedTo = end < 0 ? this.#bytes.length : end + 1;
      // The limit goes for the head: a tunnel may well bring more than that with its first bytes.
      if (this.#scannedTo > maxBytes) return 'more than 16 kB of header';
      if (end < 0) return this.#status === 0 && !this.#mayBecomeHttp() ? 'no HTTP/1' : null;
      const line = this.#bytes.toString('latin1', this.#lineAt, end).replace(/\r$/, '');
      this.#lineAt = end + 1;
      if (++this.#lines > maxLines) return 'too many header lines';
      const wrong = this.#status === 0 ? this.#readStatus(line) : this.#readField(line);
      if (wrong !== null) return wrong;
      if (line !== '') continue;
      // RFC 9110, 15.2: interim answers are skipped. 101 is none of them: nobody asked for another protocol.
      if (this.#status >= 200 || this.#status === 101) return this.#finish();
      this.#status = 0;
      this.#fields = new Map();
    }
  }

  #mayBecomeHttp(): boolean {
    const start = this.#bytes.toString('latin1', this.#lineAt, this.#lineAt + prefix.length);
    return prefix.startsWith(start);
  }

  #readStatus(line: string): string | null {
    const status = statusLine.exec(line)?.[1];
    if (status === undefined || hasControl(line)) return 'no HTTP/1 status line';
    this.#status = Number(status);
    return null;
  }

  #readField(line: string): string | null {
    // Obsolete line folding (RFC 9112, 5.2) belongs to a field that is not read here.
    if (line === '' || /^[ \t]/.test(line)) return null;
    const [, name, value] = fieldLine.exec(line) ?? [];
    if (name === undefined || value === undefined || hasControl(line)) return 'a header line that is none';
    this.#fields.set(name.toLowerCase(), value.trim());
    return null;
  }

  #finish(): ResponseHead {
    return {
      status: this.#status,
      retryAfterMs: this.#retryAfterMs(),
      rest: this.#bytes.subarray(this.#lineAt),
    };
  }

  /** A date is read against the proxy's own clock. */
  #retryAfterMs(): number | undefined {
    const now = parseHttpDate(this.#fields.get('date'), 0) ?? Number.NaN;
    return parseRetryAfter(this.#fields.get('retry-after'), now) ?? undefined;
  }
}

/** Controls other than TAB, NUL among them. */
function hasControl(line: string): boolean {
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    if ((code < 32 && code !== 9) || code === 127) return true;
  }
  return false;
}
