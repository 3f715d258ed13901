import { createRequire } from 'node:module';

/** Version of the package, as its manifest has it; found by its name, wherever it was compiled to. */
export const apiVersion: string = readVersion();

function readVersion(): string {
  const manifest: { version?: unknown } = createRequire(import.meta.url)('proxywhirl/package.json');
  return String(manifest.version);
}
