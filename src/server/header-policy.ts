import { z } from '@hono/zod-openapi';

const MAX_HEADERS = 100;
const MAX_BYTES = 16 * 1024;

/** Those of the connection, which would break the framing or speak to the wrong peer. */
const refused =
  /^(?:connection|content-length|expect|host|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade)$/i;
const token = /^[!#$%&'*+.^_`|~\w-]{1,128}$/;
/** No CR, LF or NUL, and nothing that is not one byte each. */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

const rules: readonly (readonly [string, (entries: readonly [string, string][]) => boolean])[] = [
  [`must be ${MAX_HEADERS} headers or fewer`, (all) => all.length <= MAX_HEADERS],
  [
    `must be ${MAX_BYTES} bytes or less`,
    // As on the wire: a colon, a space and a line break each.
    (all) => all.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0) <= MAX_BYTES,
  ],
  ['must have names that are tokens', (all) => all.every(([name]) => token.test(name))],
  ['must have values without control characters', (all) => all.every(([, value]) => fieldValue.test(value))],
  [
    "must not hold one of the connection's own, such as Host, Content-Length or Proxy-Authorization",
    (all) => all.every(([name]) => !refused.test(name)),
  ],
  [
    'must not hold a name twice, in whatever case',
    (all) => new Set(all.map(([name]) => name.toLowerCase())).size === all.length,
  ],
];

/** Headers that a caller may send to a target. No rule repeats a name or a value. */
export const headersSchema: z.ZodType<Record<string, string>> = z
  .record(z.string(), z.string())
  .superRefine((headers, context) => {
    const entries = Object.entries(headers);
    for (const [message, holds] of rules) if (!holds(entries)) context.addIssue({ code: 'custom', message });
  });

/** Of an answer: what was about the connection to the proxy, or about an encoding that is taken off. */
const ofTheConnection = new Set([
  ...['connection', 'content-encoding', 'content-length', 'keep-alive', 'proxy-authenticate'],
  ...['proxy-authentication-info', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
]);

/** Headers of an answer as JSON; each cookie stays by itself, since a comma may be part of it. */
export function answerHeaders(headers: Headers): Record<string, string | string[]> {
  const named = (headers.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase());
  const passed: [string, string | string[]][] = [];
  for (const [name, value] of headers)
    if (!ofTheConnection.has(name) && !named.includes(name) && name !== 'set-cookie')
      passed.push([name, value]);
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) passed.push(['set-cookie', cookies]);
  return Object.fromEntries(passed);
}
