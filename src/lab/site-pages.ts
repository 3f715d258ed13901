import type { IncomingMessage } from 'node:http';

/** What a page is made of, before it is sent. */
export interface PageAnswer {
  readonly status: number;
  readonly type: 'text/html' | 'application/json' | 'text/plain';
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Extra delay, in ms. */
  readonly delayMs?: number;
}

/** Shape of the site's pages. */
export interface PageShape {
  /** Number of `/page/N`. */
  readonly pages: number;
  /** Bytes of text on each. */
  readonly pageBytes: number;
}

/** The page at a path; a pure function of the request, so that every proxy is shown the same site. */
export function renderPage(
  request: IncomingMessage,
  url: URL,
  address: string,
  shape: PageShape,
): PageAnswer {
  const [, section = '', item = ''] = url.pathname.split('/');
  switch (section) {
    case '':
      return html(200, 'Lab site', `<p>${shape.pages} pages</p>\n${links(1, shape.pages)}`);
    case 'page':
      return numberedPage(Number(item), shape);
    case 'ip':
      return json({ address });
    case 'judge':
      return json({ address, headers: request.headers });
    case 'headers':
      return json({ headers: request.headers, rawHeaders: request.rawHeaders });
    case 'cookie':
      return cookiePage(request, url);
    case 'status':
      return statusPage(Number(item));
    case 'slow':
      return {
        ...html(200, 'Slow', '<p>Late</p>'),
        delayMs: Math.max(0, Number(url.searchParams.get('ms')) || 0),
      };
    default:
      return html(404, 'Not found', '<p>No such page</p>');
  }
}

/** What a banned client is shown, whatever it asked for. */
export function blockPage(status: number, retryAfterSeconds: number | undefined): PageAnswer {
  const answer = html(
    status,
    'Access denied',
    '<p>Unusual traffic from your address. Please complete the captcha to continue.</p>',
  );
  return retryAfterSeconds === undefined
    ? answer
    : { ...answer, headers: { 'retry-after': String(retryAfterSeconds) } };
}

function numberedPage(n: number, { pages, pageBytes }: PageShape): PageAnswer {
  if (!Number.isInteger(n) || n < 1 || n > pages) return html(404, 'Not found', '<p>No such page</p>');
  const sentence = `This is the text of page ${n}. `;
  const text = sentence.repeat(Math.ceil(pageBytes / sentence.length)).slice(0, pageBytes);
  return html(200, `Page ${n}`, `<p>${text}</p>\n${links(n + 1, Math.min(n + 3, pages))}`);
}

function links(from: number, to: number): string {
  const count = Math.max(0, to - from + 1);
  const items = Array.from(
    { length: count },
    (_, i) => `<li><a href="/page/${from + i}">Page ${from + i}</a></li>`,
  );
  return `<ul>\n${items.join('\n')}\n</ul>`;
}

/** Echoes the cookies; `?set=value` sets `lab_session`. */
function cookiePage(request: IncomingMessage, url: URL): PageAnswer {
  const set = url.searchParams.get('set');
  const answer = json({ cookie: request.headers.cookie ?? null });
  return set === null
    ? answer
    : { ...answer, headers: { 'set-cookie': `lab_session=${encodeURIComponent(set)}; Path=/` } };
}

function statusPage(status: number): PageAnswer {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    return html(400, 'Bad status', '<p>200 to 599</p>');
  return html(status, `Status ${status}`, `<p>Status ${status}</p>`);
}

function html(status: number, title: string, content: string): PageAnswer {
  const body = `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>\n<body><h1>${title}</h1>\n${content}\n</body></html>\n`;
  return { status, type: 'text/html', body };
}

function json(value: unknown): PageAnswer {
  return { status: 200, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}
