import { AnswerHeaders, type HeadersLike } from './answer-headers.js';
import { BLOCK_RULES, type BlockRule, type SignPlace, type Signs } from './block-rules.js';
import { isCaptchaRedirect } from './captcha-redirect.js';
import { type PageParts, splitPage } from './page-parts.js';
import { parseHttpDate, parseRetryAfter } from './retry-after.js';

/** An answer as far as it is known; the more, the surer. */
export interface SeenAnswer {
  readonly status: number;
  readonly headers: HeadersLike;
  /** What was asked for. */
  readonly url: string;
  /** Where redirects led to, when they were followed. */
  readonly finalUrl?: string | undefined;
  /** Text of the answer; the first 64 kB are read. */
  readonly body?: string | undefined;
  /** Whether it came in the clear: then a proxy can answer in the target's place. */
  readonly plainHttp: boolean;
}

/** What was found. */
export interface BlockFinding {
  readonly blocked: boolean;
  /** Name of the rule that found it; null when none did. */
  readonly rule: string | null;
  /** How long the answer asks us to stay away, blocked or not, in ms; null when it does not say. */
  readonly retryAfterMs: number | null;
  /** Over plain http, that a forward proxy says itself that it is the one who answers; then nothing is blocked. */
  readonly proxySpoke: boolean;
  /** Over plain http, that proxies say they passed the answer on (`Via`); absent where they do not. */
  readonly passedOn?: true;
}

/** Characters of a body that are read. */
export const MAX_BLOCK_BODY = 65_536;

const maxText = Math.max(...BLOCK_RULES.map((rule) => rule.maxText));
/** Software that is hardly ever in front of a site. */
const forwardProxy = /^(?:3proxy|mikrotik httpproxy|privoxy|squid|tinyproxy)\b/i;
const noParts: PageParts = { title: '', text: '', tag: '', script: '', json: '' };

/**
 * Whether the target turned this client away: by a status, a redirect to a captcha, or a page that looks like success.
 * Never throws; takes time in proportion to what it reads.
 *
 * @param nowWallMs what a `Retry-After` with a date is read against where the answer has no `Date`.
 */
export function detectBlock(answer: SeenAnswer, nowWallMs: number = Date.now()): BlockFinding {
  const headers = new AnswerHeaders(answer.headers);
  const proxySpoke = answer.plainHttp && isProxySpeaking(headers);
  const rule = proxySpoke ? null : findRule(answer, headers);
  const wish = headers.get('retry-after');
  // Nearly every answer has a date, and hardly one needs it.
  const date = wish === null ? null : parseHttpDate(headers.get('date'), nowWallMs);
  const retryAfterMs = parseRetryAfter(wish, date ?? nowWallMs);
  const passedOn = answer.plainHttp && !proxySpoke && headers.has('via');
  return { blocked: rule !== null, rule, retryAfterMs, proxySpoke, ...(passedOn ? { passedOn } : {}) };
}

/** The places in which an answer has a sign of the rule, for tests and for those who write rules. */
export function placesOf(answer: SeenAnswer, rule: BlockRule): ReadonlySet<string> {
  const headers = new AnswerHeaders(answer.headers);
  return placesWith([rule.marks, rule.backing], { ...answer, headers, parts: partsOf(answer, headers) });
}

interface Evidence {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly parts: PageParts | null;
}

function findRule(answer: SeenAnswer, headers: AnswerHeaders): string | null {
  const evidence = { status: answer.status, headers, parts: partsOf(answer, headers) };
  const found = BLOCK_RULES.find((rule) => fits(rule, evidence));
  if (found !== undefined) return found.name;
  if (isSentToCaptcha(answer, headers)) return 'captcha-redirect';
  return isRefusal(answer, headers) ? `status-${answer.status}` : null;
}

function fits(rule: BlockRule, evidence: Evidence): boolean {
  if (rule.proof?.some((sign) => evidence.headers.has(sign)) === true) return true;
  const { parts } = evidence;
  if (parts === null || parts.text.length > rule.maxText) return false;
  if (placesWith([rule.marks], evidence).size === 0) return false;
  if (placesWith([rule.marks, rule.backing], evidence).size < rule.need) return false;
  return rule.unless === undefined || placesWith([rule.unless], evidence).size === 0;
}

const pagePlaces = ['title', 'text', 'tag', 'script', 'json'] as const satisfies readonly SignPlace[];

function placesWith(all: readonly Signs[], { status, headers, parts }: Evidence): ReadonlySet<string> {
  const places = new Set<string>();
  for (const signs of all) {
    if (signs.status?.includes(status)) places.add('status');
    if (signs.header?.some((sign) => headers.has(sign))) places.add('header');
    if (signs.cookie?.some((name) => headers.setsCookie(name))) places.add('cookie');
    for (const place of pagePlaces) {
      if (parts !== null && signs[place]?.some((sign) => parts[place].includes(sign))) places.add(place);
    }
  }
  return places;
}

function partsOf({ body }: SeenAnswer, headers: AnswerHeaders): PageParts | null {
  if (body === undefined) return noParts;
  return splitPage(body.slice(0, MAX_BLOCK_BODY), headers.get('content-type') ?? '', maxText);
}

function isSentToCaptcha({ status, url, finalUrl }: SeenAnswer, headers: AnswerHeaders): boolean {
  const next = status >= 300 && status < 400 ? headers.get('location') : null;
  if (next !== null && isCaptchaRedirect(finalUrl ?? url, next)) return true;
  return finalUrl !== undefined && isCaptchaRedirect(url, finalUrl);
}

/**
 * 429 is always one. 401 and 403 may also mean that a login or a right is missing, for everybody: an answer that
 * says so is none. One that says nothing is, as in Crawlee; where that is wrong, every proxy gets the same.
 */
function isRefusal({ status, body }: SeenAnswer, headers: AnswerHeaders): boolean {
  if (status === 429) return true;
  if (status !== 401 && status !== 403) return false;
  if (headers.has('www-authenticate')) return false;
  if (/\b(?:json|xml)\b/i.test((headers.get('content-type') ?? '').replace('xhtml+xml', 'html')))
    return false;
  return !/type=["']?password/i.test(body?.slice(0, MAX_BLOCK_BODY) ?? '');
}

/**
 * A forward proxy that refuses says so: Squid's page, RFC 9209, a wish for credentials, or its own name in `Server`,
 * where an answer that it passed on has the target's. `Via` alone tells nothing: it is on those as well.
 */
function isProxySpeaking(headers: AnswerHeaders): boolean {
  if (['x-squid-error', 'proxy-authenticate', 'proxy-status: error='].some((sign) => headers.has(sign)))
    return true;
  return forwardProxy.test(headers.get('server') ?? '');
}
