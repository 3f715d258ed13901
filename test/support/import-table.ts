/** One row of the import table: who may import what. */
export interface Layer {
  /** Folder (with a slash at its end) or file below `src/`. */
  readonly name: string;
  /** Folders and files of `src/` that may be imported; a folder may always import itself. */
  readonly imports: readonly string[];
  /** The same, but by `import type` only. */
  readonly types?: readonly string[];
  /** Third-party packages. */
  readonly packages?: readonly string[];
  /** Third-party packages of the host that is adapted: `import type`, or `import()` at use. */
  readonly hosts?: readonly string[];
  /** No Node modules, no clock, no chance, no I/O: these arrive as arguments. */
  readonly pure?: boolean;
  /** Nothing but `export ... from`. */
  readonly reexportsOnly?: boolean;
}

const low = ['core/', 'errors.ts'];

/** The most specific name wins. What `imports` does not name is out of reach, `types` included. */
export const importTable: readonly Layer[] = [
  { name: 'errors.ts', imports: [], pure: true },
  // The engine knows the interface of a strategy; the strategies are handed in.
  {
    name: 'core/',
    imports: ['errors.ts'],
    types: ['strategies/strategy.ts'],
    packages: ['lru-cache'],
    pure: true,
  },
  { name: 'strategies/', imports: ['errors.ts'], types: ['core/'], packages: ['lru-cache'], pure: true },
  // The options name a strategy, and so know the type of its specification; the same for what a check asks for.
  {
    name: 'options.ts',
    imports: ['errors.ts'],
    types: ['core/', 'strategies/strategy.ts', 'health/check-target.ts', 'sources/spec.ts'],
    packages: ['zod'],
  },
  {
    name: 'cache/',
    imports: low,
    packages: ['lru-cache', 'write-file-atomic', 'proper-lockfile'],
    hosts: ['better-sqlite3'],
  },
  { name: 'sources/', imports: [...low, 'transport/'], packages: ['csv-parse', 'lru-cache'] },
  { name: 'transport/', imports: low, packages: ['undici', 'socks', 'lru-cache'] },
  {
    name: 'health/',
    imports: [...low, 'transport/'],
    packages: ['undici', 'p-limit', 'croner', 'lru-cache'],
  },
  {
    name: 'integrations/',
    imports: [...low, 'transport/'],
    packages: ['lru-cache', '@pondwader/socks5-server'],
    hosts: ['@crawlee/core', 'crawlee', 'playwright', 'got-scraping', 'undici', 'impit'],
  },
  // A dispatcher is a subclass of undici's; nobody but its own entry loads it.
  ...['undici.ts', 'undici-handler.ts', 'undici-exchange.ts'].map(
    (file): Layer => ({
      name: `integrations/${file}`,
      imports: [...low, 'transport/', 'integrations/'],
      packages: ['undici'],
    }),
  ),
  {
    name: 'server/',
    imports: [...low, 'transport/', 'cache/'],
    types: ['health/'],
    packages: ['hono', '@hono/zod-openapi', 'zod', 'lru-cache'],
  },
  { name: 'lab/', imports: ['core/proxy.ts', 'errors.ts'], packages: ['@pondwader/socks5-server'] },
  { name: 'create-rotator.ts', imports: [...low, 'strategies/', 'options.ts'] },
  {
    name: 'proxywhirl.ts',
    imports: [
      ...low,
      'strategies/',
      'options.ts',
      'cache/',
      'sources/',
      'transport/',
      'health/',
      'integrations/',
      'create-rotator.ts',
    ],
    // What it returns has the type of Crawlee's option.
    hosts: ['@crawlee/core'],
  },
  {
    name: 'index.ts',
    imports: [
      ...low,
      'strategies/',
      'options.ts',
      'cache/',
      'sources/',
      'transport/',
      'health/',
      'integrations/',
      'create-rotator.ts',
      'proxywhirl.ts',
    ],
    reexportsOnly: true,
  },
  {
    name: 'cli/',
    imports: [
      ...low,
      'strategies/',
      'options.ts',
      'cache/',
      'sources/',
      'transport/',
      'health/',
      'integrations/',
      'server/',
      'lab/',
      'create-rotator.ts',
      'proxywhirl.ts',
    ],
    packages: ['commander', '@bomb.sh/tab', 'c12', 'cli-progress', 'cli-table3', 'picocolors'],
  },
];
