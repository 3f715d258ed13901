import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type LabCertificate, labCertificates } from '../../src/lab/bad-certificates.js';
import { labCaPem } from '../../src/lab/certificate.js';
import { type Answer, listServer, text } from './list-server.js';

const script = join(import.meta.dirname, '../support/https-lists.ts');

interface SecureServer {
  readonly origin: string;
  readonly keys: (string | undefined)[];
}

async function secureServer(certificate: LabCertificate, answer: Answer): Promise<SecureServer> {
  const keys: (string | undefined)[] = [];
  const server: Server = createServer(labCertificates[certificate], (request, response) => {
    keys.push(request.headers['x-key']?.toString());
    answer(request, response);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { origin: `https://localhost:${(server.address() as AddressInfo).port}`, keys };
}

/** What a process makes of the URLs that trusts the lab's CA besides those of Node, or only those of Node. */
async function loadAll(addresses: readonly string[], trust: 'lab' | 'nobody'): Promise<unknown[]> {
  const dir = mkdtempSync(join(tmpdir(), 'pw-ca-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const ca = join(dir, 'ca.pem');
  writeFileSync(ca, labCaPem);
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, ...addresses], {
    env: { ...env, ...(trust === 'lab' && { NODE_EXTRA_CA_CERTS: ca }) },
  });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

const list = text('192.0.2.1:80\n192.0.2.2:80\n');
const hosts = ['192.0.2.1', '192.0.2.2'];
const refused = (cause: string): object => ({ code: 'PW_SOURCE_UNREADABLE', reason: 'failed', cause });

describe('a list behind an https URL', () => {
  it('is read from a server whose certificate is good, by name and by address, and from no other', async () => {
    const good = await secureServer('lab', list);
    const bad = {
      expired: 'CERT_HAS_EXPIRED',
      'wrong-name': 'ERR_TLS_CERT_ALTNAME_INVALID',
      'self-signed': 'DEPTH_ZERO_SELF_SIGNED_CERT',
      intercept: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    } as const;
    const servers = await Promise.all(
      (Object.keys(bad) as (keyof typeof bad)[]).map((certificate) => secureServer(certificate, list)),
    );
    const addresses = [good.origin, good.origin.replace('localhost', '127.0.0.1')];
    expect(await loadAll([...addresses, ...servers.map(({ origin }) => origin)], 'lab')).toEqual([
      { hosts },
      { hosts },
      ...Object.values(bad).map(refused),
    ]);
    // The request itself is sent to none of them.
    expect(servers.flatMap(({ keys }) => keys)).toEqual([]);
    expect(good.keys).toEqual(['k', 'k']);
  });

  it('is not read where nobody vouches for the server', async () => {
    const { origin, keys } = await secureServer('lab', list);
    expect(await loadAll([origin], 'nobody')).toEqual([refused('UNABLE_TO_VERIFY_LEAF_SIGNATURE')]);
    expect(keys).toEqual([]);
  });

  it('follows redirects to https with its headers for its own origin only, and none to http', async () => {
    const plain = await listServer(list, '127.0.0.1');
    const other = await secureServer('lab', list);
    const first = await secureServer('lab', (request, response) => {
      const to = { '/here': '/list', '/there': `${other.origin}/`, '/down': plain.origin }[request.url ?? ''];
      if (to === undefined) list(request, response);
      else response.writeHead(302, { location: to }).end();
    });
    const paths = ['/here', '/there', '/down'].map((path) => first.origin + path);
    expect(await loadAll(paths, 'lab')).toEqual([
      { hosts },
      { hosts },
      { code: 'PW_SOURCE_UNREADABLE', reason: 'redirect' },
    ]);
    expect([first.keys, other.keys]).toEqual([['k', 'k', 'k', 'k'], [undefined]]);
    expect(plain.requests).toHaveLength(0);
  });
});
