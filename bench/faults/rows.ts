import type { LabCertificate } from '../../src/lab/bad-certificates.js';
import type { ProxyFault } from '../../src/lab/index.js';
import type { RigProxyOptions, TargetAnswer } from '../../test/matrix/rig.js';

/** What every contender gets as its time limit, in ms. */
export const deadlineMs = 1_000;
/** How late a call may settle after that. */
const overrunMs = 100;
/** A fault that shows at once must be told at once. */
const promptMs = 50;

/** What a call through the faulty proxy must come to. */
export interface Bar {
  /** `error`, or the status that the caller must get. */
  readonly ends: 'error' | number;
  readonly withinMs: number;
  readonly connections: number;
}

/** One fault of one proxy, for a client that has no other. */
export interface FaultCase {
  /** Its number in the fault matrix; 0 is the control without a fault. */
  readonly number: number;
  readonly fault: string;
  /** `blackhole`: an address that answers no SYN. */
  readonly proxy: Omit<RigProxyOptions, 'address'> | 'blackhole';
  readonly target: 'http' | LabCertificate;
  /** Default 200 and `ok`. */
  readonly answer?: TargetAnswer;
  /** The caller aborts after so many ms instead of setting a time limit; times count from then. */
  readonly abortAfterMs?: number;
  readonly bar: Bar;
}

/** What the proxy of row 9 is told and must not show up in an error. */
export const secret = 'tell-nobody-4711';

const prompt: Bar = { ends: 'error', withinMs: promptMs, connections: 1 };
const atDeadline: Bar = { ends: 'error', withinMs: deadlineMs + overrunMs, connections: 1 };
const answered = (ends: number): Bar => ({ ends, withinMs: deadlineMs + overrunMs, connections: 1 });

const through = (
  number: number,
  fault: string,
  kind: ProxyFault,
  bar: Bar,
  more: Partial<Pick<FaultCase, 'target' | 'answer' | 'abortAfterMs'>> = {},
): FaultCase => ({ number, fault, proxy: { fault: kind }, target: 'lab', bar, ...more });

const page: TargetAnswer = { bodyBytes: 100_000 };
const connectStatus = (status: number, fault: string, bar: Bar): FaultCase =>
  through(8, fault, { kind: 'connect-status', status, ...(status < 300 ? {} : { body: 'proxy page' }) }, bar);
const badProxyCertificate = (kind: 'cert-expired' | 'cert-self-signed' | 'cert-wrong-name' | 'tls-1.0') => ({
  ...through(10, `https proxy: ${kind.replace('cert-', 'certificate ')}`, { kind }, prompt),
  proxy: { kind: 'https', fault: kind } as const,
});
const drip = (part: 'head' | 'body'): ProxyFault => ({ kind: 'drip', everyMs: 250, part });
const credentials = { username: 'user', password: 'right' };
const wrong = { credentials, urlCredentials: { username: 'user', password: secret } };

/** Every row of the fault matrix that one client with one proxy can meet. */
export const faultCases: readonly FaultCase[] = [
  through(0, 'none (control)', { kind: 'none' }, answered(200)),
  { ...through(0, 'none, https proxy (control)', { kind: 'none' }, answered(200)), proxy: { kind: 'https' } },
  through(1, 'connection refused', { kind: 'dead' }, prompt),
  { ...through(2, 'SYN never answered', { kind: 'none' }, atDeadline), proxy: 'blackhole' },
  through(3, 'CONNECT never answered', { kind: 'hang' }, atDeadline),
  through(3, 'GET http: never answered', { kind: 'hang' }, atDeadline, { target: 'http' }),
  through(
    3,
    'CONNECT never answered, aborted',
    { kind: 'hang' },
    { ends: 'error', withinMs: 20, connections: 1 },
    { abortAfterMs: 300 },
  ),
  through(4, 'closes at accept', { kind: 'close', at: 'accept' }, prompt),
  through(4, 'closes instead of answering', { kind: 'close' }, prompt),
  through(4, 'closes after CONNECT', { kind: 'close-after-connect' }, prompt),
  through(5, 'RST at accept', { kind: 'reset', at: 'accept' }, prompt),
  through(5, 'RST instead of an answer', { kind: 'reset' }, prompt),
  through(5, 'RST after CONNECT', { kind: 'reset', at: 'tunnel' }, prompt),
  through(6, 'body cut, Content-Length', { kind: 'truncate', afterBytes: 20_000 }, prompt, { answer: page }),
  through(6, 'body cut, chunked', { kind: 'truncate', afterBytes: 20_000 }, prompt, {
    answer: { ...page, chunked: true },
  }),
  through(7, 'CONNECT answer drips', drip('head'), atDeadline),
  through(7, 'GET http: head drips', drip('head'), atDeadline, { target: 'http' }),
  through(7, 'GET http: body drips', drip('body'), atDeadline, { target: 'http', answer: page }),
  connectStatus(201, 'CONNECT answered 201', answered(200)),
  ...[204, 301, 403, 502, 511].map((status) =>
    connectStatus(status, `CONNECT answered ${status}`, status === 204 ? answered(200) : prompt),
  ),
  { ...through(9, 'CONNECT, wrong password', { kind: 'none' }, prompt), proxy: wrong },
  { ...through(9, 'GET http:, wrong password', { kind: 'none' }, prompt, { target: 'http' }), proxy: wrong },
  badProxyCertificate('cert-expired'),
  badProxyCertificate('cert-self-signed'),
  badProxyCertificate('cert-wrong-name'),
  badProxyCertificate('tls-1.0'),
  through(11, 'target certificate expired', { kind: 'none' }, prompt, { target: 'expired' }),
  through(11, 'proxy breaks TLS open', { kind: 'intercept' }, prompt),
  through(13, 'garbage', { kind: 'garbage' }, prompt),
  through(13, 'TLS alert', { kind: 'tls-alert' }, prompt),
  through(13, 'HTTP/0.9', { kind: 'http-0.9' }, prompt),
  through(13, 'head of 32 kB', { kind: 'header-flood' }, prompt),
  through(13, '10,000 headers', { kind: 'header-flood', headers: 10_000, bytes: 200_000 }, prompt),
  through(14, '503 of the proxy to CONNECT', { kind: 'connect-status', status: 503 }, prompt),
  through(14, '503 of the target', { kind: 'none' }, answered(503), { answer: { status: 503 } }),
];
