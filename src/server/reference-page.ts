import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** A file of the reference page. */
export interface PageFile {
  readonly type: string;
  readonly body: string | Uint8Array;
  readonly etag: string;
}

/** Nothing from elsewhere, and no script but the files beside the page. Swagger UI sets styles on its elements. */
export const pagePolicy: string = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ProxyWhirl API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/page.js"></script>
</body>
</html>
`;

const script = `SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
`;

/** Files of swagger-ui-dist that the build puts beside this one; in a checkout they are where npm puts them. */
const folders = ['./reference/', '../../node_modules/swagger-ui-dist/'];

const loaded = new Map<string, Promise<PageFile>>();

/** Path below the page -> how to get it; `` is the page itself. */
export const pageFiles: Readonly<Record<string, () => Promise<PageFile>>> = {
  '': () => once('', 'text/html; charset=utf-8', async () => html),
  '/page.js': () => once('page.js', 'text/javascript; charset=utf-8', async () => script),
  '/swagger-ui.css': () => once('swagger-ui.css', 'text/css; charset=utf-8', asset),
  '/swagger-ui-bundle.js': () => once('swagger-ui-bundle.js', 'text/javascript; charset=utf-8', asset),
};

export function etagOf(body: string | Uint8Array): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
}

function once(
  name: string,
  type: string,
  load: (name: string) => Promise<string | Uint8Array>,
): Promise<PageFile> {
  let file = loaded.get(name);
  if (file === undefined) {
    file = load(name).then((body) => ({ type, body, etag: etagOf(body) }));
    loaded.set(name, file);
    // What could not be read may be there the next time.
    file.catch(() => loaded.delete(name));
  }
  return file;
}

async function asset(name: string): Promise<Uint8Array> {
  const [packaged = '', checkout = ''] = folders;
  try {
    return await readFile(new URL(`${packaged}${name}`, import.meta.url));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return await readFile(new URL(`${checkout}${name}`, import.meta.url));
  }
}
