import { readFileSync } from 'node:fs';
import type { ProxyFault } from '../../src/lab/index.js';
import type { ClientName, ProxyKind, Scheme, Truth } from './case.js';

/** What the target does with a request. */
export type TargetScript =
  | {
      readonly kind: 'page';
      readonly status: number;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** Path that this page is at; every other path is sent there. */
      readonly behind?: string;
      /** @default 302 */
      readonly redirect?: number;
    }
  /** Nobody listens. */
  | { readonly kind: 'dead' }
  /** Breaks off: on accept, when the request has come, or in the middle of the body. */
  | {
      readonly kind: 'break';
      readonly at: 'accept' | 'request' | 'body';
      readonly by: 'close' | 'reset';
    }
  | { readonly kind: 'hang' }
  | { readonly kind: 'garbage' }
  /** HTTP in the clear on the port for https. */
  | { readonly kind: 'no-tls' }
  | { readonly kind: 'bad-certificate' };

/** How the client gets to the proxy, where it is not the plain way. */
export type Route =
  /** The name of the proxy does not exist. */
  | 'unknown-name'
  /** The resolver of this machine does not answer. */
  | 'resolver-down'
  /** An https proxy with a certificate that nobody signed. */
  | 'bad-certificate'
  /** An http proxy where an https one was announced. */
  | 'no-tls'
  /** A good proxy that ends its client's connection in the way in which the target ends. */
  | 'passes-resets'
  /** An http proxy that passes the TLS handshake of the target on, and no more. */
  | 'handshake-then-stalls'
  | 'handshake-then-closes'
  | 'handshake-then-resets';

/** One scripted fault. */
export interface Situation {
  readonly id: string;
  /** Who broke it, and so what a perfect judge would say. */
  readonly truth: Truth;
  readonly why: string;
  readonly fault?: ProxyFault;
  /** A good proxy that has to wait for its target this long, in ms. */
  readonly dialMs?: number;
  readonly route?: Route;
  readonly target: TargetScript;
  /** What we do ourselves. */
  readonly act?: 'abort' | 'throw' | 'session-error' | 'handler-timeout';
  /** @default both */
  readonly schemes?: readonly Scheme[];
  /** @default all */
  readonly kinds?: readonly ProxyKind[];
  /** @default all that can */
  readonly clients?: readonly ClientName[];
  /** Whether it is over before the first request, and so is the whole of what a tunnel shows. */
  readonly opening?: true;
}

const crawlers: readonly ClientName[] = ['cheerio-crawler', 'playwright-crawler'];
const http: readonly ProxyKind[] = ['http', 'https'];

function statusPage(status: number): string {
  return `<!doctype html>\n<title>${status}</title>\n<h1>${status}</h1>\n`;
}

function page(
  status: number,
  headers: Readonly<Record<string, string>>,
): Extract<TargetScript, { kind: 'page' }> {
  return { kind: 'page', status, body: statusPage(status), headers };
}

function storedPage(path: string, status?: number): Extract<TargetScript, { kind: 'page' }> {
  const file = new URL(`../../fixtures/${path}.json`, import.meta.url);
  const stored = JSON.parse(readFileSync(file, 'utf8')) as {
    status: number;
    headers: Record<string, string>;
    body: string[];
  };
  const { headers, body } = stored;
  return { kind: 'page', status: status ?? stored.status, headers, body: body.join('\n') };
}

const good = page(200, { 'content-type': 'text/html' });

/** A refusal of CONNECT; over plain http it is the answer. */
function refusal(status: number): ProxyFault {
  return {
    kind: 'connect-status',
    status,
    body: statusPage(status),
    headers: { 'Content-Type': 'text/html' },
  };
}

const proxyFaults: readonly Situation[] = [
  { id: 'proxy-refused', truth: 'proxy', why: 'Its port is closed.', fault: { kind: 'dead' }, target: good },
  {
    id: 'proxy-name-unknown',
    truth: 'proxy',
    why: 'Its name does not exist.',
    route: 'unknown-name',
    target: good,
  },
  {
    id: 'proxy-resets',
    truth: 'proxy',
    why: 'RST instead of an answer.',
    fault: { kind: 'reset' },
    target: good,
  },
  {
    id: 'proxy-closes',
    truth: 'proxy',
    why: 'FIN instead of an answer.',
    fault: { kind: 'close' },
    target: good,
  },
  {
    id: 'proxy-garbage',
    truth: 'proxy',
    why: 'Bytes that are no HTTP.',
    fault: { kind: 'garbage' },
    target: good,
  },
  { id: 'proxy-hangs', truth: 'proxy', why: 'Never answers.', fault: { kind: 'hang' }, target: good },
  { id: 'proxy-auth', truth: 'auth', why: 'Refuses the credentials.', fault: { kind: 'auth' }, target: good },
  ...[402, 403, 429, 500, 502, 503, 504, 511].map(
    (status): Situation => ({
      id: `proxy-says-${status}`,
      truth: 'proxy',
      why: 'Answers in place of a target that is well.',
      fault: refusal(status),
      target: good,
      kinds: http,
    }),
  ),
  {
    id: 'proxy-says-302',
    truth: 'proxy',
    why: 'A portal that wants a login answers CONNECT.',
    fault: { ...refusal(302), headers: { Location: 'http://portal.test/login' } } as ProxyFault,
    target: good,
    kinds: http,
    schemes: ['https'],
  },
  {
    id: 'proxy-page-for-tunnel',
    truth: 'proxy',
    why: 'Answers CONNECT with 200 and a page of its own.',
    fault: refusal(200),
    target: good,
    kinds: http,
    schemes: ['https'],
  },
  {
    id: 'proxy-drops-tunnel',
    truth: 'proxy',
    why: 'Opens the tunnel and drops it.',
    fault: { kind: 'close-after-connect' },
    target: good,
    schemes: ['https'],
  },
].map((one): Situation => ({ ...one, opening: true }) as Situation);

/** Its head goes out before the most of its body. */
const longPage: TargetScript = { ...good, body: `<!doctype html>\n${'<p>text</p>\n'.repeat(4_000)}` };

const laterProxyFaults: readonly Situation[] = [
  {
    id: 'proxy-resets-answer',
    truth: 'proxy',
    why: 'RST when the answer of the target has come to it.',
    fault: { kind: 'reset', at: 'response' },
    target: good,
  },
  ...(['stalls', 'closes', 'resets'] as const).map(
    (how): Situation => ({
      id: `proxy-${how}-tunnel`,
      truth: 'proxy',
      why: `Passes the TLS handshake on; then it ${how}.`,
      route: `handshake-then-${how}`,
      target: longPage,
      kinds: ['http'],
      schemes: ['https'],
    }),
  ),
  {
    id: 'proxy-dawdles',
    truth: 'proxy',
    why: 'It has what it needs and does not answer.',
    dialMs: 60_000,
    target: good,
    opening: true,
  },
  ...(['close', 'reset'] as const).map(
    (by): Situation => ({
      id: `proxy-truncates-by-${by}`,
      truth: 'proxy',
      why: 'Breaks off in the middle of the body.',
      fault: { kind: 'truncate', afterBytes: 12_000, reset: by === 'reset' },
      target: longPage,
    }),
  ),
];

const httpsProxyFaults: readonly Situation[] = [
  {
    id: 'proxy-bad-certificate',
    truth: 'proxy',
    why: 'TLS with the proxy: its certificate is signed by nobody.',
    route: 'bad-certificate',
    target: good,
    kinds: ['https'],
    // Got-scraping, and Crawlee with it, verify no proxy: to them this is none.
    clients: ['playwright-crawler', 'undici', 'node-fetch', 'whirl-fetch', 'whirl-tunnel'],
    opening: true,
  },
  {
    id: 'proxy-no-tls',
    truth: 'proxy',
    why: 'TLS with the proxy: it speaks none.',
    route: 'no-tls',
    target: good,
    kinds: ['https'],
    opening: true,
  },
];

const targetFaults: readonly Situation[] = [
  {
    id: 'target-dead',
    truth: 'target',
    why: 'Its port is closed, and the proxy says 502.',
    fault: refusal(502),
    target: { kind: 'dead' },
    kinds: http,
    opening: true,
  },
  {
    id: 'target-dead-socks',
    truth: 'target',
    why: 'Its port is closed, and the proxy says so.',
    target: { kind: 'dead' },
    kinds: ['socks5'],
    opening: true,
  },
  {
    id: 'target-dead-hang-up',
    truth: 'target',
    why: 'Its port is closed, and the proxy ends the connection, as some do.',
    fault: { kind: 'close' },
    target: { kind: 'dead' },
    // The lab's SOCKS proxy closes before it is told of a target.
    kinds: http,
    opening: true,
  },
  ...[503, 504].map(
    (status): Situation => ({
      id: `target-dead-${status}`,
      truth: 'target',
      why: `It cannot be reached, and the proxy says ${status}.`,
      fault: refusal(status),
      target: { kind: 'dead' },
      kinds: http,
      opening: true,
    }),
  ),
  {
    id: 'target-unreachable',
    truth: 'target',
    why: 'It answers no SYN: the proxy waits for it.',
    dialMs: 60_000,
    target: good,

    opening: true,
  },
  ...(['accept', 'request', 'body'] as const).flatMap((at) =>
    (['close', 'reset'] as const).flatMap((by): Situation[] => {
      const one = {
        truth: 'target',
        target: { kind: 'break', at, by },
        ...(at === 'accept' ? ({ opening: true, schemes: ['https'] } as const) : {}),
      } as const;
      const id = `target-${by}s-at-${at}`;
      if (by === 'close') return [{ ...one, id, why: `FIN at ${at}.` }];
      return [
        { ...one, id, why: `RST at ${at}; the proxy turns it into a FIN.` },
        {
          ...one,
          id: `${id}-passed-on`,
          why: `RST at ${at}, which the proxy passes on.`,
          route: 'passes-resets',
          kinds: ['http'],
        },
      ];
    }),
  ),
  { id: 'target-hangs', truth: 'target', why: 'Never answers.', target: { kind: 'hang' } },
  { id: 'target-garbage', truth: 'target', why: 'Bytes that are no HTTP.', target: { kind: 'garbage' } },
  {
    id: 'target-no-tls',
    truth: 'target',
    why: 'It speaks no TLS.',
    target: { kind: 'no-tls' },
    schemes: ['https'],
    opening: true,
  },
  {
    id: 'target-bad-certificate',
    truth: 'target',
    why: 'Its certificate is signed by nobody.',
    target: { kind: 'bad-certificate' },
    schemes: ['https'],
    opening: true,
  },
  ...[500, 502, 503, 504].map(
    (status): Situation => ({
      id: `target-says-${status}`,
      truth: 'target',
      why: 'An error of its own.',
      target: page(status, { 'content-type': 'text/html' }),
    }),
  ),
  {
    id: 'target-says-407',
    truth: 'target',
    why: 'A target has no business to ask for it.',
    target: page(407, { 'content-type': 'text/html', 'proxy-authenticate': 'Basic realm="x"' }),
    schemes: ['https'],
  },
];

const bans: readonly Situation[] = [
  ...[401, 403, 429].map(
    (status): Situation => ({
      id: `target-bans-${status}`,
      truth: 'banned',
      why: 'It does not want this client.',
      target: page(status, { 'content-type': 'text/html', ...(status === 429 && { 'retry-after': '60' }) }),
    }),
  ),
  {
    id: 'challenge-403',
    truth: 'banned',
    why: 'A challenge.',
    target: storedPage('ban-pages/cloudflare-managed-403'),
  },
  {
    id: 'challenge-503',
    truth: 'banned',
    why: 'A challenge.',
    target: storedPage('ban-pages/cloudflare-managed-403', 503),
  },
  {
    id: 'challenge-200',
    truth: 'banned',
    why: 'A challenge that looks like success.',
    target: storedPage('ban-pages/captcha-traffic-200'),
  },
  {
    id: 'captcha-redirect',
    truth: 'banned',
    why: 'It sends the client to a captcha.',
    target: { ...storedPage('ban-pages/redirect-followed-200'), behind: '/captcha?next=%2F' },
  },
];

const successes: readonly Situation[] = [
  { id: 'success-200', truth: 'success', why: 'A page.', target: good },
  {
    id: 'success-404',
    truth: 'success',
    why: 'No page.',
    target: page(404, { 'content-type': 'text/html' }),
  },
  {
    id: 'success-301',
    truth: 'success',
    why: 'A page that moved.',
    target: { ...good, behind: '/moved', redirect: 301 },
  },
  {
    id: 'api-permission-403',
    truth: 'success',
    why: 'An API that says who may do what: no ban.',
    target: storedPage('benign-pages/api-permission-403'),
  },
];

const ours: readonly Situation[] = [
  {
    id: 'we-abort',
    truth: 'neutral',
    why: 'We leave.',
    target: { kind: 'hang' },
    act: 'abort',
    clients: ['playwright-crawler', 'got-scraping', 'undici', 'node-fetch', 'whirl-fetch'],
  },
  {
    id: 'handler-throws',
    truth: 'neutral',
    why: "An error of the user's code.",
    target: good,
    act: 'throw',
    clients: crawlers,
  },
  {
    id: 'handler-timeout',
    truth: 'neutral',
    why: "The user's code takes too long.",
    target: good,
    act: 'handler-timeout',
    clients: crawlers,
  },
  {
    id: 'handler-session-error',
    truth: 'banned',
    why: "The user's code says that the session is burnt.",
    target: good,
    act: 'session-error',
    clients: crawlers,
  },
  {
    id: 'resolver-down',
    truth: 'local',
    why: 'Our resolver does not answer.',
    route: 'resolver-down',
    target: good,
    // A browser has a resolver of its own.
    clients: ['cheerio-crawler', 'got-scraping', 'undici', 'node-fetch', 'whirl-fetch', 'whirl-tunnel'],
    opening: true,
  },
  {
    id: 'protocol-not-spoken',
    truth: 'local',
    why: 'This client has no SOCKS.',
    target: good,
    kinds: ['socks5'],
    clients: ['cheerio-crawler', 'got-scraping'],
  },
];

/** All of them, in the order in which they are recorded. */
export const situations: readonly Situation[] = [
  ...proxyFaults,
  ...laterProxyFaults,
  ...httpsProxyFaults,
  ...targetFaults,
  ...bans,
  ...successes,
  ...ours,
];

const kindsOf: Readonly<Record<ClientName, readonly ProxyKind[]>> = {
  'cheerio-crawler': http,
  'playwright-crawler': ['http', 'https', 'socks5'],
  'got-scraping': http,
  undici: http,
  'node-fetch': ['http', 'https', 'socks5'],
  'whirl-fetch': ['http', 'https', 'socks5'],
  'whirl-tunnel': ['http', 'https', 'socks5'],
};

/** One case to record. */
export interface Plan {
  readonly situation: Situation;
  readonly scheme: Scheme;
  readonly kind: ProxyKind;
  /** Whether the proxy wants a user name and a password, and gets them. */
  readonly credentials: boolean;
}

/**
 * Where a client never comes to an end, whatever its limits: undici's own ProxyAgent waits or reconnects for ever
 * (nodejs/undici #3897), and the time limit of got-scraping covers neither its
 * look for HTTP/2 nor a redirect through an https proxy. Matched with `proxyKind/scheme/situation`.
 */
const endless: Partial<Record<ClientName, readonly RegExp[]>> = {
  'got-scraping': [
    /proxy-hangs|proxy-dawdles|target-unreachable/,
    /^https\/https\/(captcha-redirect|success-301)/,
  ],
  undici: [/proxy-(?:closes|hangs|dawdles)$|target-(?:dead-hang-up|unreachable)/],
};

/** What a client is put through, in order. */
export function plansOf(client: ClientName): Plan[] {
  const plans: Plan[] = [];
  for (const kind of ['http', 'https', 'socks5'] as const) {
    // Crawlee then puts a proxy of its own between: without, its browsers know no SOCKS.
    const credentials = client === 'playwright-crawler' && kind !== 'http';
    for (const scheme of ['https', 'http'] as const) {
      for (const situation of situations)
        if (applies(situation, client, scheme, kind)) plans.push({ situation, scheme, kind, credentials });
    }
  }
  return plans;
}

function applies(one: Situation, client: ClientName, scheme: Scheme, kind: ProxyKind): boolean {
  if (one.clients?.includes(client) === false || one.schemes?.includes(scheme) === false) return false;
  if (one.kinds?.includes(kind) === false) return false;
  if (one.id === 'protocol-not-spoken') return true;
  if (!kindsOf[client].includes(kind)) return false;
  if (client === 'whirl-tunnel') return one.opening === true && scheme === 'https';
  // A browser takes its time: what the target says is the same through any kind of proxy.
  if (client === 'playwright-crawler' && kind !== 'http') return one.opening === true;
  return endless[client]?.some((pattern) => pattern.test(`${kind}/${scheme}/${one.id}`)) !== true;
}
