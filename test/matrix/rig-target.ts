import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type LabCertificate, labCertificates } from '../../src/lab/bad-certificates.js';

/** What the target says to a request. */
export interface TargetAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** Default empty. */
  readonly body?: string;
  /** A body of so many bytes instead, the same each time. */
  readonly bodyBytes?: number;
  /** Without a Content-Length. Default false. */
  readonly chunked?: boolean;
  /** Before the head, in ms. Default 0. */
  readonly delayMs?: number;
  /** Sends the body in pieces of `bytes`, one every `everyMs`. Default: at once. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number };
  /** Breaks the connection after so many bytes of the body, by RST or FIN (default). */
  readonly cut?: { readonly afterBytes: number; readonly reset?: boolean };
  /** Never answers. Default false. */
  readonly silent?: boolean;
  /** Instead of all of the above: these bytes (latin1), then the end. */
  readonly raw?: string;
}

/** Which requests get which answers; the first rule that fits is used. */
export interface TargetRule {
  /** Path without query. Default every path. */
  readonly path?: string;
  /** Host name without port. Default every host. */
  readonly host?: string;
  /** Client address. Default every one. */
  readonly from?: string;
  /** Several are given in turn, and the last one stays. */
  readonly answer: TargetAnswer | readonly TargetAnswer[];
}

/** One request as the target saw it. */
export interface TargetRequest {
  readonly from: string;
  readonly method: string;
  readonly host: string;
  /** With its query. */
  readonly path: string;
  readonly secure: boolean;
  readonly headers: IncomingMessage['headers'];
  bodyBytes: number;
  /** Of the whole body, hex; null while it is not whole. */
  bodySha256: string | null;
}

/** Totals since the start or the last `forget()`. */
export interface TargetCounts {
  readonly requests: number;
  readonly byPath: Readonly<Record<string, number>>;
  readonly byHost: Readonly<Record<string, number>>;
  readonly byFrom: Readonly<Record<string, number>>;
  /** How often each body came, by its sha256; requests without a body are left out. */
  readonly bodies: Readonly<Record<string, number>>;
  /** Now, towards clients. */
  readonly openSockets: number;
}

const keptRequests = 50_000;

/** A site that says what it is told to, over http and over https with any of the lab's certificates. */
export class ScriptedTarget {
  readonly #sockets = new Set<Socket>();
  readonly #ports = new Map<string, Promise<number>>();
  #rules: { rule: TargetRule; answers: TargetAnswer[] }[] = [];
  #requests: TargetRequest[] = [];

  /** The port for http, or for https with this certificate; it listens from the first call on. */
  port(certificate: LabCertificate | null): Promise<number> {
    const key = certificate ?? 'http';
    const known = this.#ports.get(key);
    if (known !== undefined) return known;
    const serve = (request: IncomingMessage, response: ServerResponse): void =>
      this.#serve(request, response);
    const server: Server =
      certificate === null ? createServer(serve) : createTlsServer(labCertificates[certificate], serve);
    server.keepAliveTimeout = 0;
    server.requestTimeout = 0;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket)));
    });
    const port = new Promise<number>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: '127.0.0.1', port: 0 }, () => resolve((server.address() as AddressInfo).port));
    });
    this.#ports.set(key, port);
    return port;
  }

  script(rules: readonly TargetRule[]): void {
    this.#rules = rules.map((rule) => ({ rule, answers: [rule.answer].flat() as TargetAnswer[] }));
  }

  log(): readonly TargetRequest[] {
    return this.#requests;
  }

  counts(): TargetCounts {
    const counted = this.#requests.filter((request) => request.bodySha256 !== null && request.bodyBytes > 0);
    return {
      requests: this.#requests.length,
      byPath: tally(this.#requests.map(({ path }) => path.split('?')[0] ?? '')),
      byHost: tally(this.#requests.map(({ host }) => host)),
      byFrom: tally(this.#requests.map(({ from }) => from)),
      bodies: tally(counted.map(({ bodySha256 }) => bodySha256 ?? '')),
      openSockets: this.#sockets.size,
    };
  }

  forget(): void {
    this.#requests = [];
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const seen: TargetRequest = {
      from: request.socket.remoteAddress ?? '',
      method: request.method ?? '',
      host: (request.headers.host ?? '').replace(/:\d+$/, ''),
      path: request.url ?? '/',
      secure: 'encrypted' in request.socket,
      headers: request.headers,
      bodyBytes: 0,
      bodySha256: null,
    };
    if (this.#requests.length < keptRequests) this.#requests.push(seen);
    const hash = createHash('sha256');
    request.on('data', (chunk: Buffer) => {
      seen.bodyBytes += chunk.length;
      hash.update(chunk);
    });
    const answer = this.#answerTo(seen);
    // Answered when the upload is whole: an answer in the middle of it would look like a reset to its sender.
    request.once('end', () => {
      seen.bodySha256 = hash.digest('hex');
      if (answer.silent !== true) setTimeout(() => say(answer, request, response), answer.delayMs ?? 0);
    });
    request.on('error', () => {});
    response.on('error', () => {});
  }

  #answerTo({ host, path, from }: TargetRequest): TargetAnswer {
    const pathname = path.split('?')[0];
    const entry = this.#rules.find(
      ({ rule }) =>
        (rule.path ?? pathname) === pathname && (rule.host ?? host) === host && (rule.from ?? from) === from,
    );
    if (entry === undefined) return { body: 'ok\n' };
    return (entry.answers.length > 1 ? entry.answers.shift() : entry.answers[0]) ?? {};
  }
}

function say(answer: TargetAnswer, request: IncomingMessage, response: ServerResponse): void {
  const socket = request.socket;
  if (socket.destroyed) return;
  if (answer.raw !== undefined) {
    socket.end(answer.raw, 'latin1');
    return;
  }
  const body = bodyOf(answer);
  response.writeHead(answer.status ?? 200, {
    'content-type': 'text/plain',
    ...(answer.chunked === true ? {} : { 'content-length': String(body.length) }),
    'x-sha256': createHash('sha256').update(body).digest('hex'),
    ...answer.headers,
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const upTo = Math.min(answer.cut?.afterBytes ?? body.length, body.length);
  const finish = (): void => {
    if (answer.cut === undefined) response.end();
    else if (answer.cut.reset !== true) socket.destroySoon();
    // Not together with the last bytes: libuv reports such a RST as an orderly end.
    else setTimeout(() => socket.resetAndDestroy(), 20);
  };
  if (answer.drip === undefined) {
    response.flushHeaders();
    if (upTo === 0) finish();
    else response.write(body.subarray(0, upTo), finish);
    return;
  }
  const { bytes, everyMs } = answer.drip;
  let at = 0;
  response.flushHeaders();
  const timer = setInterval(() => {
    const end = Math.min(at + bytes, upTo);
    response.write(body.subarray(at, end));
    at = end;
    if (at < upTo) return;
    clearInterval(timer);
    finish();
  }, everyMs);
  socket.once('close', () => clearInterval(timer));
}

/** Every stretch of 4 bytes is its own position, so that a piece that is lost or doubled changes the hash. */
function bodyOf(answer: TargetAnswer): Buffer {
  if (answer.bodyBytes === undefined) return Buffer.from(answer.body ?? '', 'utf8');
  const body = Buffer.alloc(Math.ceil(answer.bodyBytes / 4) * 4);
  for (let at = 0; at < body.length; at += 4) body.writeUInt32LE(at, at);
  return body.subarray(0, answer.bodyBytes);
}

function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
