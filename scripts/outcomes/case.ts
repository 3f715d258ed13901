import type { Verdict } from '../../src/core/outcome.js';
import type { Phase } from '../../src/transport/classify.js';
import type { SerialError } from './serial-error.js';

export const clientNames = [
  'cheerio-crawler',
  'playwright-crawler',
  'got-scraping',
  'undici',
  'node-fetch',
  'whirl-fetch',
  'whirl-tunnel',
] as const;

export type ClientName = (typeof clientNames)[number];
export type Scheme = 'http' | 'https';
export type ProxyKind = 'http' | 'https' | 'socks5';

/** Who did it, by the script; nobody scripts an ambiguity, only what is seen of it can be ambiguous. */
export type Truth = Exclude<Verdict, 'ambiguous'>;

/** An answer as far as a client showed it. */
export interface SeenReply {
  readonly status: number;
  /** Those that could be judged; lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where redirects led to; absent where there were none. */
  readonly finalUrl?: string;
  /** The first 4,096 characters. */
  readonly body?: string;
}

/** What a client showed of one attempt. */
export interface Shown {
  readonly phase: Phase;
  readonly reply?: SeenReply;
  readonly error?: SerialError;
}

/** One line of `fixtures/outcomes/<client>.jsonl`. */
export interface OutcomeCase extends Shown {
  /** `client/proxyKind/scheme/situation`. */
  readonly id: string;
  readonly client: ClientName;
  readonly clientVersion: string;
  readonly situation: string;
  readonly scheme: Scheme;
  readonly proxyKind: ProxyKind;
  readonly truth: Truth;
  /** The right answer to what was shown: the truth, or `ambiguous` where the same was shown of another truth. */
  readonly expected: Verdict;
  /** Day. */
  readonly recordedAt: string;
}

/** Everything that a classifier could go by, as text; two cases with the same one cannot be told apart. */
export function evidenceKey(one: Omit<OutcomeCase, 'expected'>): string {
  const { client, scheme, phase, reply, error } = one;
  return JSON.stringify([client, scheme, phase, reply ?? null, error ?? null]);
}

type Side = 'proxy' | 'target' | 'other';
const sides: Readonly<Record<Truth, Side>> = {
  proxy: 'proxy',
  auth: 'proxy',
  target: 'target',
  banned: 'target',
  success: 'target',
  local: 'other',
  neutral: 'other',
};

/**
 * Computes the right answers. Where a client shows the same of a fault of the proxy and of something else, the honest
 * answer is `ambiguous`, for both.
 */
export function withExpected(cases: readonly Omit<OutcomeCase, 'expected'>[]): OutcomeCase[] {
  const truths = new Map<string, Set<Truth>>();
  for (const one of cases) {
    const key = evidenceKey(one);
    truths.set(key, (truths.get(key) ?? new Set()).add(one.truth));
  }
  return cases.map((one) => {
    const seen = [...(truths.get(evidenceKey(one)) ?? [])];
    const split = seen.some((a) => seen.some((b) => sides[a] !== sides[b]));
    // Refused credentials are a fault of the proxy as well, where nothing more is shown of them.
    const mixed = seen.includes('proxy') && seen.includes('auth');
    const expected: Verdict = split ? 'ambiguous' : mixed ? 'proxy' : one.truth;
    return { ...one, expected };
  });
}
