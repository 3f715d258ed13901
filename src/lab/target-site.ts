import { EventEmitter, once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type LabCertificate, labCertificates } from './bad-certificates.js';
import { BanList, type BanRule } from './ban-rules.js';
import { waitWhileOpen } from './front.js';
import { blockPage, type PageAnswer, renderPage } from './site-pages.js';
import { SocketLedger } from './socket-ledger.js';

/** Options of {@link startTargetSite}. */
export interface TargetSiteOptions {
  /** Number of `/page/N`. Default 100. */
  readonly pages?: number;
  /** Text on each page, in bytes. Default 2000. */
  readonly pageBytes?: number;
  /** Delay before every answer, in ms. Default 0. */
  readonly latencyMs?: number;
  /** Whom to turn away; the first rule that strikes answers. Default nobody. */
  readonly ban?: BanRule | readonly BanRule[];
  /** What the site presents over https. Default `'lab'`, the one to trust; the others are to be refused. */
  readonly certificate?: LabCertificate;
  /** Answers in place of the site's own pages; undefined leaves a request to them. Bans come first. Default none. */
  readonly answer?: (request: SiteRequest) => SiteAnswer | undefined;
  /** How many requests are remembered in {@link TargetSite.requests}. Default 10,000. */
  readonly keepRequests?: number;
  /** Clock of bans and records, ms. Default `Date.now`. */
  readonly now?: () => number;
}

/** One request as the site saw it. */
export interface SiteRequest {
  /** Source address of the connection: the proxy's. */
  readonly address: string;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Host name the client asked for, without the port. */
  readonly host: string;
  readonly secure: boolean;
  readonly headers: IncomingMessage['headers'];
  /** Header `x-lab-session`, else the cookie `lab_session`, else null. */
  readonly sessionHint: string | null;
  readonly banned: boolean;
  readonly at: number;
}

/** An answer that is sent as it is; only its length is added. */
export interface SiteAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
}

/** Totals of one client address, or of the whole site. */
export interface SiteCounts {
  readonly requests: number;
  /** Of these, turned away. */
  readonly banned: number;
}

/** A real site on loopback, http and https alike; see {@link startTargetSite}. */
export class TargetSite extends EventEmitter<{ request: [SiteRequest] }> {
  readonly #options: TargetSiteOptions;
  readonly #now: () => number;
  readonly #sockets = new SocketLedger();
  readonly #servers: Server[];
  readonly #requests: SiteRequest[] = [];
  readonly #byAddress = new Map<string, { requests: number; banned: number }>();
  #bans: readonly BanList[];

  constructor(options: TargetSiteOptions) {
    super();
    this.setMaxListeners(0);
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#bans = toBanLists(options.ban);
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      this.#serve(request, response).catch(() => request.socket.destroy());
    };
    this.#servers = [
      createServer(serve),
      createTlsServer(labCertificates[options.certificate ?? 'lab'], serve),
    ];
    for (const server of this.#servers) {
      // Idle connections end when the client or close() ends them: a timer here would race with their next request.
      server.keepAliveTimeout = 0;
      server.on('connection', (socket: Socket) => this.#sockets.track(socket));
    }
  }

  /** `http://127.0.0.1:port`, without a slash at its end. */
  get httpUrl(): string {
    return `http://127.0.0.1:${this.#port(0)}`;
  }

  /** `https://localhost:port`, without a slash at its end; trust `labCaPem`. */
  get httpsUrl(): string {
    return `https://localhost:${this.#port(1)}`;
  }

  /** The last requests, oldest first. */
  get requests(): readonly SiteRequest[] {
    return [...this.#requests];
  }

  /** Counts by client address. */
  get byAddress(): ReadonlyMap<string, SiteCounts> {
    return new Map([...this.#byAddress].map(([address, counts]) => [address, { ...counts }]));
  }

  get counts(): SiteCounts {
    let requests = 0;
    let banned = 0;
    for (const counts of this.#byAddress.values()) {
      requests += counts.requests;
      banned += counts.banned;
    }
    return { requests, banned };
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  /** Replaces the rules and forgets whom the old ones had banned; `null` lifts everything. */
  ban(rules: BanRule | readonly BanRule[] | null): void {
    this.#bans = toBanLists(rules ?? undefined);
  }

  /** Whether the address is banned now, on any host. */
  isBanned(address: string): boolean {
    return this.#bans.some((list) => list.isBanned(address, this.#now()));
  }

  /** Forgets requests and counts; bans stay. */
  forget(): void {
    this.#requests.length = 0;
    this.#byAddress.clear();
  }

  /** The next request that comes in after this call. */
  async nextRequest(options: { signal?: AbortSignal } = {}): Promise<SiteRequest> {
    const [request] = await once(this, 'request', options);
    return request as SiteRequest;
  }

  /** Listens on free ports of 127.0.0.1; called by {@link startTargetSite}. */
  async listen(): Promise<void> {
    await Promise.all(
      this.#servers.map(
        (server) =>
          new Promise<void>((resolve, reject) => {
            server.once('error', reject);
            server.listen({ host: '127.0.0.1', port: 0 }, resolve);
          }),
      ),
    );
  }

  /** Closes both ports and every socket; resolves when none is left. */
  async close(): Promise<void> {
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    this.#sockets.destroyAll();
    await Promise.all([...closed, this.#sockets.drained()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #port(index: number): number {
    return (this.#servers[index]?.address() as AddressInfo | null)?.port ?? 0;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = request.socket.remoteAddress ?? '';
    const at = this.#now();
    const secure = 'encrypted' in request.socket;
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
    const rule = this.#bans.find((list) => list.strikes(address, url.hostname, at))?.rule;
    const seen: SiteRequest = {
      address,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      host: url.hostname,
      secure,
      headers: request.headers,
      sessionHint: sessionHint(request),
      banned: rule !== undefined,
      at,
    };
    this.#record(seen);
    const own = rule === undefined ? this.#options.answer?.(seen) : undefined;
    const answer: PageAnswer =
      rule === undefined
        ? renderPage(request, url, address, {
            pages: this.#options.pages ?? 100,
            pageBytes: this.#options.pageBytes ?? 2000,
          })
        : blockPage(rule.status ?? 403, rule.retryAfterSeconds);
    // An upload is read to its end: an answer in the middle of it would look like a reset to its sender.
    request.resume();
    if (!(await waitWhileOpen(request.socket, (this.#options.latencyMs ?? 0) + (answer.delayMs ?? 0))))
      return;
    if (own !== undefined) {
      const headers = { ...own.headers, 'content-length': String(Buffer.byteLength(own.body)) };
      response.writeHead(own.status, headers as OutgoingHttpHeaders).end(own.body);
      return;
    }
    response.writeHead(answer.status, {
      'content-type': `${answer.type}; charset=utf-8`,
      'content-length': Buffer.byteLength(answer.body),
      'cache-control': 'no-store',
      ...answer.headers,
    });
    response.end(answer.body);
  }

  #record(request: SiteRequest): void {
    const counts = this.#byAddress.get(request.address) ?? { requests: 0, banned: 0 };
    counts.requests += 1;
    if (request.banned) counts.banned += 1;
    this.#byAddress.set(request.address, counts);
    if (this.#requests.push(request) > (this.#options.keepRequests ?? 10_000)) this.#requests.shift();
    this.emit('request', request);
  }
}

function toBanLists(rules: BanRule | readonly BanRule[] | undefined): readonly BanList[] {
  if (rules === undefined) return [];
  const list = isRuleList(rules) ? rules : [rules];
  return list.map((rule) => new BanList(rule));
}

function isRuleList(rules: BanRule | readonly BanRule[]): rules is readonly BanRule[] {
  return Array.isArray(rules);
}

function sessionHint(request: IncomingMessage): string | null {
  const header = request.headers['x-lab-session'];
  if (typeof header === 'string') return header;
  return /(?:^|;\s*)lab_session=([^;]*)/.exec(request.headers.cookie ?? '')?.[1] ?? null;
}

/**
 * Starts the site on two free ports of 127.0.0.1. Pages: `/` (links to all), `/page/N`, `/ip` (the client address as
 * JSON), `/judge` (the same with the headers that came in), `/status/NNN`, `/slow?ms=`, `/headers`, `/cookie` (`?set=`
 * sets `lab_session`).
 */
export async function startTargetSite(options: TargetSiteOptions = {}): Promise<TargetSite> {
  const site = new TargetSite(options);
  try {
    await site.listen();
  } catch (error) {
    await site.close();
    throw error;
  }
  return site;
}
