import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CacheOptions } from '../src/index.js';
import { type Lab, startLab } from '../src/lab/index.js';

interface Line {
  readonly tried?: string[];
  readonly failed?: string;
  readonly condemned?: string[];
  readonly flushed?: true;
  readonly event?: string;
  readonly payload?: { readonly restored?: number; readonly message?: string };
}

interface RunSettings {
  readonly cache: CacheOptions;
  readonly requests: number;
  readonly waits?: boolean;
  readonly sessions?: boolean;
  readonly key?: string | undefined;
  /** Sent once the process says that everything is kept. */
  readonly kill?: NodeJS.Signals;
}

const key = 'ab'.repeat(32);

/** A crawl in a process of its own; resolves with what it printed when it has ended. */
async function run(lab: Lab, { key, kill, cache, ...settings }: RunSettings): Promise<Line[]> {
  const given = {
    ...settings,
    options: { proxies: lab.urls, cache, breaker: { openMs: 60_000 } },
    url: `${lab.site.httpUrl}/ip`,
  };
  const { PROXYWHIRL_CACHE_ENCRYPTION_KEY: _, ...env } = process.env;
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', 'test/support/cached-crawl.ts', JSON.stringify(given)],
    {
      env: { ...env, ...(key !== undefined && { PROXYWHIRL_CACHE_ENCRYPTION_KEY: key }) },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: Line[] = [];
  for await (const text of createInterface(child.stdout)) {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    if (line.flushed && kill !== undefined) child.kill(kill);
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return lines;
}

const condemnedBy = (lines: Line[]): string[] => lines.find(({ condemned }) => condemned)?.condemned ?? [];
const triedBy = (lines: Line[]): string[][] => lines.flatMap(({ tried }) => (tried ? [tried] : []));
const restoredBy = (lines: Line[]): number | undefined =>
  lines.find(({ event }) => event === 'loaded')?.payload?.restored;

async function place(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'proxywhirl-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

/** Each file below, as bytes. */
async function bytesBelow(dir: string): Promise<Map<string, Buffer>> {
  const files = await readdir(dir, { recursive: true, withFileTypes: true });
  const plain = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  return new Map(await Promise.all(plain.map(async (file) => [file, await readFile(file)] as const)));
}

describe('two runs as two processes', () => {
  it('C-08 the second run avoids from its first request on every proxy that the first one condemned', async () => {
    const dead = { fault: 'dead' } as const;
    const credentials = { username: 'lab', password: 'right' };
    const refused = { credentials, wrongPassword: true };
    await using lab = await startLab({ proxies: [{}, dead, {}, dead, {}, dead, {}, refused] });
    const dir = await place();
    const first = await run(lab, { cache: { dir }, requests: 32, key });
    const condemned = condemnedBy(first);
    expect(condemned.length).toBe(4);
    const second = await run(lab, { cache: { dir }, requests: 10, key });
    expect(restoredBy(second)).toBeGreaterThanOrEqual(condemned.length);
    const tried = triedBy(second);
    expect(tried.length).toBeGreaterThan(0);
    expect(tried.flat().filter((id) => condemned.includes(id))).toEqual([]);
    // The same without a cache meets one of them within the same requests: it is the cache that knows.
    const forgetful = await run(lab, { cache: { dir: await place() }, requests: 10, key });
    expect(
      triedBy(forgetful)
        .flat()
        .some((id) => condemned.includes(id)),
    ).toBe(true);
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'C-08 %s after flush() loses nothing, and no listener of ours keeps the process from ending by it',
    async (kill) => {
      await using lab = await startLab({ proxies: [{}, {}, { fault: 'dead' }] });
      const dir = await place();
      const first = await run(lab, { cache: { dir }, requests: 12, waits: true, kill });
      expect(first.at(-1)).toEqual({ flushed: true });
      expect(condemnedBy(first)).toHaveLength(1);
      const second = await run(lab, { cache: { dir }, requests: 6 });
      expect(restoredBy(second)).toBe(3);
      expect(
        triedBy(second)
          .flat()
          .filter((id) => condemnedBy(first).includes(id)),
      ).toEqual([]);
    },
  );

  it.each([
    ['with a key', key],
    ['without a key', undefined],
  ])(
    'K-05 K-66 %s, no credential and no session id is in any byte of the cache, while it runs too, nor in an event',
    async (_name, key) => {
      const credentials = { username: 'canary-user', password: 'canary-hunter2' };
      await using lab = await startLab({
        proxies: [
          { credentials },
          { credentials },
          { credentials, wrongPassword: true },
          { fault: 'dead', credentials },
        ],
      });
      const dir = await place();
      // Killed, so that WAL, lock and temporary files stay as they were in the middle of it.
      const cache = { dir, tiers: ['file', 'sqlite'] } as const;
      const killed = await run(lab, {
        cache,
        requests: 20,
        sessions: true,
        waits: true,
        kill: 'SIGKILL',
        key,
      });
      const during = await bytesBelow(dir);
      const closed = await run(lab, { cache, requests: 20, sessions: true, key });
      expect(triedBy(closed).length).toBeGreaterThan(0);
      const found: string[] = [];
      const files = [...during, ...(await bytesBelow(dir))];
      for (const [file, bytes] of files)
        for (const canary of [
          'canary',
          'hunter2',
          Buffer.from('canary-hunter2').toString('base64').slice(0, 16),
          'Y2FuYXJ5',
        ])
          if (bytes.includes(canary) || file.includes(canary)) found.push(`${file}: ${canary}`);
      expect(found).toEqual([]);
      expect(files.map(([file]) => file.slice(dir.length + 1))).toEqual(
        expect.arrayContaining(['cache.db', 'cache.db-wal']),
      );
      // The search finds what is there: the address of a proxy is no secret.
      expect(files.some(([, bytes]) => bytes.includes('127.0.0.2'))).toBe(true);
      expect(JSON.stringify([killed, closed])).not.toContain('canary');
      const warned = closed.some(({ payload }) => payload?.message?.includes('not persisted'));
      expect(warned).toBe(key === undefined);
    },
  );
});
