import type { Timers } from '../core/clock.js';
import type { HeadersLike } from '../transport/answer-headers.js';
import { MAX_BLOCK_BODY } from '../transport/block-page.js';

/** What hooks see of an answer. */
export interface Seen {
  readonly status?: number | undefined;
  readonly headers?: HeadersLike | undefined;
  /** Where redirects led to. */
  readonly finalUrl?: string | undefined;
  /** Time to first byte in ms. */
  readonly latencyMs?: number | undefined;
}

/** The part of a browser's page that is used; Playwright and Puppeteer have it. */
export interface BrowserPage {
  evaluate?(expression: string): Promise<unknown>;
}

/** How long a browser may take to show its page, in ms. */
const LOOK_MS = 1_000;
/** Longest text in characters that a block page has; a rule that allowed more would be looked for in vain. */
const SHORT_TEXT = 2_500;
/** As a text, because it runs in the page. Only a short page is brought here: no wall has more to say. */
const SHORT_PAGE = `(() => {
  const text = document.body ? document.body.innerText : '';
  return text.length > ${SHORT_TEXT} ? null : document.documentElement.outerHTML.slice(0, ${MAX_BLOCK_BODY});
})()`;

/** Status, headers, final URL and time to first byte, of got's response and of a browser's. */
export function readResponse(response: unknown): Seen {
  if (typeof response !== 'object' || response === null) return {};
  const { timings, request } = response as {
    timings?: { start?: number; response?: number };
    request?: unknown;
  };
  const status = part(response, 'status') ?? part(response, 'statusCode');
  const headers = part(response, 'headers');
  const url = part(response, 'url');
  const first = typeof request === 'function' ? browserTiming(request.call(response)) : gotTiming(timings);
  return {
    ...(typeof status === 'number' && { status }),
    ...(typeof headers === 'object' && headers !== null && { headers: headers as HeadersLike }),
    ...(typeof url === 'string' && { finalUrl: url }),
    ...(first !== undefined && first > 0 && { latencyMs: first }),
  };
}

/** The beginning of a document that Crawlee has read; undefined for what is none, and for what is no wall by its length. */
export function readBody(context: object): string | undefined {
  const { $, contentType } = context as {
    $?: { root?(): ArrayLike<DomNode> };
    contentType?: { type?: unknown };
  };
  if (!/html|json|xml|^text\//.test(String(contentType?.type ?? 'text/html'))) return undefined;
  // CheerioCrawler writes the whole page anew for whoever reads `body`: a quarter of the cost of parsing it.
  const [root] = Array.from($?.root?.() ?? []);
  if (root !== undefined && textLeft(root, SHORT_TEXT) < 0) return undefined;
  const { body } = context as { body?: unknown };
  if (typeof body === 'string') return body.slice(0, MAX_BLOCK_BODY);
  return Buffer.isBuffer(body) ? body.subarray(0, MAX_BLOCK_BODY).toString() : undefined;
}

/** A node as Cheerio has it. */
interface DomNode {
  readonly type?: string;
  readonly name?: string;
  readonly data?: string;
  readonly children?: readonly DomNode[];
}

/** `left` without the characters that a reader sees under this node; it stops below 0. */
function textLeft(node: DomNode, left: number): number {
  if (node.type === 'text') return left - (node.data ?? '').trim().length;
  if (/^(?:script|style|title)$/.test(node.name ?? '')) return left;
  let rest = left;
  for (const child of node.children ?? []) {
    rest = textLeft(child, rest);
    if (rest < 0) break;
  }
  return rest;
}

/** The markup of a short page; undefined for a long one, and where the browser does not show it in time. */
export async function readPage(page: BrowserPage, timers: Timers): Promise<string | undefined> {
  if (typeof page.evaluate !== 'function') return undefined;
  let timer: ReturnType<Timers['setTimeout']> | undefined;
  try {
    const late = new Promise<undefined>((resolve) => {
      timer = timers.setTimeout(() => resolve(undefined), LOOK_MS);
    });
    const looked = page.evaluate(SHORT_PAGE).catch(() => undefined);
    const markup = await Promise.race([looked, late]);
    return typeof markup === 'string' ? markup : undefined;
  } finally {
    timers.clearTimeout(timer);
  }
}

/** got has values where browsers have methods. */
function part(response: object, name: string): unknown {
  const value = (response as Record<string, unknown>)[name];
  return typeof value === 'function' ? (value.call(response) as unknown) : value;
}

function gotTiming(timings: { start?: number; response?: number } | undefined): number | undefined {
  const { start, response } = timings ?? {};
  return start === undefined || response === undefined ? undefined : response - start;
}

/** Playwright gives ms since the start of the request, -1 where it does not know; Puppeteer has no `timing()` here. */
function browserTiming(request: unknown): number | undefined {
  const { timing } = (request ?? {}) as { timing?: unknown };
  if (typeof timing !== 'function') return undefined;
  const { responseStart } = timing.call(request) as { responseStart?: number };
  return responseStart;
}
