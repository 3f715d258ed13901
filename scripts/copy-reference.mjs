// Puts the files of the API's reference page into the build: the package must not need swagger-ui-dist, nor a CDN.
import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const [dist = 'dist'] = process.argv.slice(2);

const from = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const to = join(dist, 'server/reference');

mkdirSync(to, { recursive: true });
for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js', 'LICENSE', 'NOTICE'])
  copyFileSync(join(from, name), join(to, name));
