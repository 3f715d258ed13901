import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProxy, type Proxy } from '../../src/core/proxy.js';
import { type ExportFormat, exportProxies, writeProxies } from '../../src/sources/export.js';
import { parseProxyList } from '../../src/sources/formats.js';
import { importProxies } from '../../src/sources/import.js';
import { proxyArbitrary } from '../core/proxy-arbitrary.js';

const formats: ExportFormat[] = ['json', 'jsonl', 'csv', 'txt'];
const parsedAs = { json: 'json', jsonl: 'jsonl', csv: 'csv', txt: 'text' } as const;
const text = async (...args: Parameters<typeof exportProxies>): Promise<string> => {
  const pieces: string[] = [];
  for await (const piece of exportProxies(...args)) pieces.push(piece);
  return pieces.join('');
};

const rich = createProxy({
  protocol: 'https',
  host: '192.0.2.1',
  port: 8443,
  username: 'user',
  password: 'c4n4ry',
  geo: {
    countryCode: 'DE',
    countryName: 'Germany',
    city: 'Köln, "Süd"',
    latitude: -1.5,
    longitude: 7,
    asn: 64500,
  },
  tags: ['fast', 'eu'],
  cost: 1.5,
});

describe('K-64 exported and imported again', () => {
  it.each(formats)('10,000 random proxies with their credentials: %s', async (format) => {
    const proxies = fc.sample(proxyArbitrary, { numRuns: 10_000, seed: 12_345 });
    const read: string[] = [];
    for await (const batch of importProxies(exportProxies(proxies, format, { credentials: true }), {
      format: parsedAs[format],
    })) {
      expect(batch.rejected).toEqual([]);
      read.push(...batch.proxies.map(({ id }) => id));
    }
    expect(new Set(read)).toEqual(new Set(proxies.map(({ id }) => id)));
  });

  it.each(formats)(
    'is recognised without being told the format, an empty list included: %s',
    async (format) => {
      expect(parseProxyList(await text([rich], format)).proxies).toHaveLength(1);
      expect(parseProxyList(await text([], format))).toEqual({ proxies: [], rejected: [] });
    },
  );

  it.each(formats)('holds no credential unless asked: %s', async (format) => {
    expect(await text([rich], format)).not.toMatch(/c4n4ry|user/);
    const [read] = parseProxyList(await text([rich], format)).proxies;
    expect(read).toMatchObject({ url: rich.url, username: null, password: null });
  });

  it('keeps geo data, tags and cost in JSON and JSONL, geo data in CSV', async () => {
    const read = async (format: ExportFormat): Promise<Proxy | undefined> =>
      parseProxyList(await text([rich], format)).proxies[0];
    const { geo, tags, cost } = rich;
    expect(await read('json')).toMatchObject({ geo, tags, cost });
    expect(await read('jsonl')).toMatchObject({ geo, tags, cost });
    expect(await read('csv')).toMatchObject({ geo });
  });
});

describe('section 6 of the threats: a CSV in a spreadsheet', () => {
  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx'])('shows %j as a text', async (city) => {
    const proxy = createProxy({ host: '192.0.2.1', port: 80, geo: { city } });
    const cell = (await text([proxy], 'csv')).split('\n').slice(1).join('\n').split(',')[4] ?? '';
    expect(cell.replace(/^"/, '')).toMatch(/^'/);
  });
});

describe('writeProxies', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pw-export-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('writes a file for its owner only when credentials are in it, over one that all could read', async () => {
    const path = join(folder, 'secret.jsonl');
    await writeFile(path, 'old', { mode: 0o644 });
    expect(await writeProxies(path, [rich, rich], 'jsonl', { credentials: true })).toBe(2);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'utf8')).toBe(await text([rich, rich], 'jsonl', { credentials: true }));
  });

  it('leaves the older file and no draft when the list breaks off', async () => {
    const path = join(folder, 'kept.txt');
    await writeFile(path, 'old');
    function* broken(): Generator<Proxy> {
      yield rich;
      throw new Error('broke off');
    }
    await expect(writeProxies(path, broken(), 'txt')).rejects.toThrow('broke off');
    expect(await readFile(path, 'utf8')).toBe('old');
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('follows no link that lies where its draft would be', async () => {
    const path = join(folder, 'linked.txt');
    await symlink(join(folder, 'elsewhere'), `${path}.${process.pid}.tmp`);
    await expect(writeProxies(path, [rich], 'txt', { credentials: true })).rejects.toMatchObject({
      code: 'EEXIST',
    });
  });

  it('writes 100,000 proxies', async () => {
    const path = join(folder, 'long.csv');
    const many = Array.from({ length: 100_000 }, () => rich);
    expect(await writeProxies(path, many, 'csv')).toBe(100_000);
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(100_002);
  });
});
