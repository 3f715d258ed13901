/** Text of an answer by where it stands, in lower case. */
export interface PageParts {
  readonly title: string;
  /** What a reader sees. */
  readonly text: string;
  /**
   * Names and attributes of elements, without quotes, which are a matter of taste. Links and metadata are left out:
   * they point at things, they are none.
   */
  readonly tag: string;
  /** Inline scripts, without those that carry data. */
  readonly script: string;
  /** The whole of a JSON document. */
  readonly json: string;
}

const none: PageParts = { title: '', text: '', tag: '', script: '', json: '' };

/** Longest JSON that can be a refusal, in characters. */
const maxJson = 4_000;

/** Elements whose content is no markup. */
const rawElements: ReadonlySet<string> = new Set(['script', 'style', 'title']);

/**
 * Takes an answer apart; null when it has more than `maxText` characters to read, or is no document: no page that
 * turns a visitor away tells a story, and an article about one does. One pass, and it stops as soon as that is clear.
 */
export function splitPage(body: string, contentType: string, maxText: number): PageParts | null {
  const type = contentType.toLowerCase();
  const markup = /^\s*</.test(body.slice(0, 100));
  if (type.includes('json') || (type === '' && !markup && /^\s*[{[]/.test(body.slice(0, 100)))) {
    if (!markup) return body.length > maxJson ? null : { ...none, json: body.toLowerCase() };
  } else if (type.startsWith('text/plain') || (type === '' && !markup)) {
    return body.length > maxText ? null : { ...none, text: readable(body.toLowerCase()) };
  } else if (type !== '' && !type.includes('html')) {
    return null;
  }
  return splitHtml(body.toLowerCase(), maxText);
}

function splitHtml(html: string, maxText: number): PageParts | null {
  let title: string | null = null;
  let textLength = 0;
  const text: string[] = [];
  const tags: string[] = [];
  const scripts: string[] = [];
  let at = 0;
  // Each search below starts where the last one ended, or ends the loop: nothing is read twice.
  while (at < html.length) {
    const open = nextTag(html, at);
    const piece = html.slice(at, open).replace(/\s+/g, ' ').trim();
    if (piece !== '') text.push(piece);
    textLength += piece.length;
    if (textLength > maxText) return null;
    if (html.startsWith('<!--', open)) {
      at = after(html, '-->', open + 4);
      continue;
    }
    const close = after(html, '>', open);
    const tag = html.slice(open, close);
    if (isTelling(tag)) tags.push(tag);
    const name = elementName(tag);
    at = close;
    if (!rawElements.has(name)) continue;
    const end = before(html, `</${name}`, close);
    const content = html.slice(close, end);
    if (name === 'title') title ??= content;
    if (name === 'script' && !carriesData(tag)) scripts.push(content);
    at = end;
  }
  return {
    title: readable(title ?? ''),
    text: readable(text.join(' ')),
    tag: tags.join('\n').replace(/["']/g, ''),
    script: scripts.join('\n'),
    json: '',
  };
}

/** Where the next element or comment starts; the end when there is none. A bare `<` is text. */
function nextTag(html: string, from: number): number {
  for (let at = html.indexOf('<', from); at >= 0; at = html.indexOf('<', at + 1)) {
    if (/[a-z/!]/.test(html.charAt(at + 1))) return at;
  }
  return html.length;
}

function after(html: string, what: string, from: number): number {
  const at = html.indexOf(what, from);
  return at < 0 ? html.length : at + what.length;
}

function before(html: string, what: string, from: number): number {
  const at = html.indexOf(what, from);
  return at < 0 ? html.length : at;
}

function elementName(tag: string): string {
  return /^<([a-z][a-z0-9-]{0,20})/.exec(tag)?.[1] ?? '';
}

/** A policy or a preconnect names the hosts that a page may load, a link those that it talks about. */
function isTelling(tag: string): boolean {
  const name = elementName(tag);
  if (name === 'meta') return tag.includes('refresh');
  return name !== '' && name !== 'a' && name !== 'link';
}

/** State, structured data and templates quote anything; the bounds keep a hostile tag from being read over and over. */
function carriesData(tag: string): boolean {
  return /\btype=["']?[a-z/+.-]{0,40}(?:json|template)/.test(tag.slice(0, 1_000));
}

const named: Readonly<Record<string, string>> = { amp: '&', nbsp: ' ', apos: "'", rsquo: "'", quot: '"' };

/** Decodes the entities that walls use, and makes one blank of each run of white space. */
function readable(text: string): string {
  return text
    .replace(/&(?:#(\d{1,5})|(amp|nbsp|apos|rsquo|quot));/g, (_, code?: string, name?: string) =>
      code === undefined ? (named[name ?? ''] ?? ' ') : String.fromCharCode(Number(code)),
    )
    .replaceAll('\u2019', "'")
    .replace(/\s+/g, ' ')
    .trim();
}
