import type { Phase } from '../../src/transport/classify.js';

/** Starts a colour code. */
export const ANSI = String.fromCharCode(27);

/** Errors of each library, by the names and codes under which they arrive. */
const make = {
  Error: (message: string) => new Error(message),
  /** Crawlee's: the cause is the second line of the text, there is no code. */
  SessionError: (message: string) =>
    new (class SessionError extends Error {})(`Detected a session error, rotating session... \n${message}`),
  /** got's: a code and a name. */
  RequestError: (message: string, code?: string) =>
    Object.assign(new Error(message), { name: 'RequestError', ...(code !== undefined && { code }) }),
  TimeoutError: (message: string) => Object.assign(new Error(message), { name: 'TimeoutError' }),
  /** Playwright's: the class of a bundle, and a call log with colours. */
  PlaywrightError: (message: string) =>
    new (class PlaywrightError extends Error {})(
      `page.goto: ${message}\nCall log:\n${ANSI}[2m  - navigating${ANSI}[22m`,
    ),
};

export interface Row {
  readonly what: string;
  readonly error: unknown;
  /** One verdict, or that over https and that over plain http. */
  readonly verdict: string | readonly [https: string, http: string];
  readonly phase?: Phase;
}

const refused = 'connect ECONNREFUSED 192.0.2.1:8000';

/** What failures look like, as they were collected by running each fault against each client. */
export const rows: readonly Row[] = [
  { what: 'proxy refuses TCP, HTTP client', error: make.SessionError(refused), verdict: 'proxy' },
  {
    what: 'proxy refuses TCP, browser',
    error: make.SessionError('net::ERR_PROXY_CONNECTION_FAILED'),
    verdict: 'proxy',
  },
  {
    what: 'name of the proxy does not resolve',
    error: make.RequestError('getaddrinfo ENOTFOUND p.test', 'ENOTFOUND'),
    verdict: 'proxy',
  },
  {
    what: 'proxy unreachable',
    error: make.RequestError('connect EHOSTUNREACH 192.0.2.1:8000', 'EHOSTUNREACH'),
    verdict: 'proxy',
  },
  {
    what: 'connect times out',
    error: make.RequestError('connect ETIMEDOUT 192.0.2.1:8000', 'ETIMEDOUT'),
    verdict: 'proxy',
  },
  {
    what: 'SOCKS fails, browser',
    error: make.PlaywrightError('net::ERR_SOCKS_CONNECTION_FAILED'),
    verdict: 'proxy',
  },
  {
    what: 'certificate of the proxy',
    error: make.PlaywrightError('net::ERR_PROXY_CERTIFICATE_INVALID'),
    verdict: 'proxy',
  },
  { what: 'proxy resets, HTTP client', error: make.SessionError('read ECONNRESET'), verdict: 'ambiguous' },
  {
    what: 'proxy resets, browser',
    error: make.PlaywrightError('net::ERR_CONNECTION_RESET at https://a.test/'),
    verdict: 'ambiguous',
  },
  {
    what: 'proxy closes, HTTP client',
    error: make.RequestError('socket hang up', 'ECONNRESET'),
    verdict: 'ambiguous',
  },
  {
    what: 'proxy closes, browser',
    error: make.PlaywrightError('net::ERR_EMPTY_RESPONSE'),
    verdict: 'ambiguous',
  },
  {
    what: 'garbage, HTTP client',
    error: make.RequestError('Parse Error: Expected HTTP/', 'HPE_INVALID_CONSTANT'),
    verdict: 'ambiguous',
  },
  {
    what: 'garbage, browser',
    error: make.PlaywrightError('net::ERR_CONNECTION_CLOSED'),
    verdict: 'ambiguous',
  },
  {
    what: 'hangs, HTTP client',
    error: make.Error('request timed out after 30 seconds.'),
    verdict: 'ambiguous',
  },
  {
    what: 'hangs, Playwright',
    error: make.PlaywrightError('Timeout 30000ms exceeded.'),
    verdict: 'ambiguous',
  },
  {
    what: 'hangs, Puppeteer',
    error: make.TimeoutError('Navigation timed out after 60 seconds.'),
    verdict: 'ambiguous',
  },
  {
    what: '407 on CONNECT, first request',
    error: make.SessionError('Proxy responded with 407 Proxy Authentication Required'),
    verdict: 'auth',
  },
  {
    what: '407 on CONNECT, later request',
    error: make.RequestError('The proxy responded with 407 Proxy Authentication Required: 44 bytes'),
    verdict: 'auth',
  },
  {
    what: '407 on CONNECT, HTTP/2',
    error: make.RequestError(
      'The proxy server rejected the request with status code 407 (Proxy Authentication Required)',
    ),
    verdict: 'auth',
  },
  {
    what: '407 on CONNECT, browser',
    error: make.SessionError('net::ERR_TUNNEL_CONNECTION_FAILED'),
    verdict: 'ambiguous',
  },
  {
    what: 'a target that asks for proxy authentication, or a proxy',
    error: make.PlaywrightError('net::ERR_UNEXPECTED_PROXY_AUTH'),
    verdict: 'ambiguous',
  },
  ...[402, 403, 429, 500].map((status) => ({
    what: `CONNECT ${status}`,
    error: make.SessionError(`Proxy responded with ${status} Whatever: 3 bytes.`),
    verdict: 'proxy',
  })),
  ...[502, 503, 504].flatMap((status) => [
    {
      what: `CONNECT ${status}`,
      error: make.SessionError(`Proxy responded with ${status} Bad: 3 bytes.`),
      verdict: 'ambiguous',
    },
    {
      what: `CONNECT ${status}, HTTP/2`,
      error: make.RequestError(`The proxy server rejected the request with status code ${status} (Bad)`),
      verdict: 'ambiguous',
    },
  ]),
  {
    what: 'dropped after CONNECT 200',
    error: make.RequestError(
      'Client network socket disconnected before secure TLS connection was established',
      'ECONNRESET',
    ),
    verdict: 'ambiguous',
  },
  {
    what: 'certificate of the target',
    error: make.RequestError('self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'),
    verdict: 'ambiguous',
  },
  {
    what: 'no TLS behind the tunnel',
    error: make.RequestError('write EPROTO: wrong version number', 'EPROTO'),
    verdict: 'ambiguous',
  },
  {
    what: 'blocked by status',
    error: make.Error('Request blocked - received 403 status code.'),
    verdict: 'banned',
    phase: 'answered',
  },
  {
    what: 'blocked by status, v4',
    error: make.SessionError('Request blocked - received 429 status code.'),
    verdict: 'banned',
    phase: 'answered',
  },
  {
    what: 'blocked by selectors',
    error: make.SessionError('Found selectors: #captcha'),
    verdict: 'banned',
    phase: 'answered',
  },
  {
    what: 'retryOnBlocked, HTTP',
    error: make.SessionError('Blocked by status code 403'),
    verdict: 'banned',
    phase: 'answered',
  },
  {
    what: 'retryOnBlocked, browser',
    error: make.SessionError('Received blocked status code: 403'),
    verdict: 'banned',
    phase: 'answered',
  },
  {
    what: 'Cloudflare',
    error: make.SessionError('Cloudflare challenge failed, the page is still blocked.'),
    verdict: 'banned',
    phase: 'answered',
  },
  {
    what: 'target 5xx',
    error: make.Error('502 - Internal Server Error: <html>'),
    verdict: ['target', 'ambiguous'],
    phase: 'answered',
  },
  {
    what: 'target 5xx before it is parsed',
    error: make.Error('503 - Service Unavailable: x'),
    verdict: ['target', 'ambiguous'],
  },
  {
    what: 'our teardown',
    error: make.PlaywrightError('net::ERR_ABORTED at https://a.test/'),
    verdict: 'neutral',
  },
  {
    what: 'page was closed',
    error: make.PlaywrightError('Target page, context or browser has been closed'),
    verdict: 'neutral',
  },
  { what: 'a download', error: make.PlaywrightError('Download is starting'), verdict: 'neutral' },
  {
    what: 'an abort',
    error: new DOMException('This operation was aborted', 'AbortError'),
    verdict: 'neutral',
  },
  {
    what: 'content type',
    error: make.Error(
      'Resource https://a.test/ served Content-Type text/plain, but only text/html is allowed.',
    ),
    verdict: 'neutral',
    phase: 'answered',
  },
  {
    what: 'our resolver',
    error: make.RequestError('getaddrinfo EAI_AGAIN p.test', 'EAI_AGAIN'),
    verdict: 'local',
  },
  {
    what: 'our descriptors',
    error: make.RequestError('connect EMFILE 192.0.2.1:8000', 'EMFILE'),
    verdict: 'local',
  },
  {
    what: 'our network',
    error: make.RequestError('connect ENETUNREACH 192.0.2.1:8000', 'ENETUNREACH'),
    verdict: 'local',
  },
  {
    what: 'no network, browser',
    error: make.PlaywrightError('net::ERR_INTERNET_DISCONNECTED'),
    verdict: 'local',
  },
  {
    what: 'protocol that the client cannot speak',
    error: make.Error('Proxy URL protocol "socks5:" is not supported'),
    verdict: 'local',
  },
  {
    what: 'failed before anything was sent',
    error: make.Error('no browser'),
    verdict: 'local',
    phase: 'start',
  },
  { what: 'something nobody has seen', error: make.Error('gibberish'), verdict: 'ambiguous' },
  {
    what: 'something nobody has seen after the head',
    error: make.Error('gibberish'),
    verdict: 'neutral',
    phase: 'answered',
  },
  {
    what: 'body breaks off',
    error: make.RequestError('aborted', 'ECONNRESET'),
    verdict: 'ambiguous',
    phase: 'answered',
  },
  {
    what: 'time of the handler is over',
    error: make.Error('requestHandler timed out after 60 seconds.'),
    verdict: 'neutral',
    phase: 'answered',
  },
  { what: "the user's code", error: make.Error(refused), verdict: 'neutral', phase: 'handler' },
  {
    what: "the user's code says the session is burnt",
    error: make.SessionError('login wall'),
    verdict: 'banned',
    phase: 'handler',
  },
  {
    what: 'the time of the handler',
    error: make.TimeoutError('requestHandler timed out after 60 seconds.'),
    verdict: 'neutral',
    phase: 'handler',
  },
];
