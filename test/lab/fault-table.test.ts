import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type LabProxyKind, type ProxyFault, startFaultProxy } from '../../src/lab/index.js';
import { kindsWithFault } from '../../src/lab/proxy-fault.js';
import { allTableRows } from '../support/doc-pages.js';

const page = readFileSync('docs/lab.md', 'utf8');
const faults = Object.entries(kindsWithFault) as [ProxyFault['kind'], readonly LabProxyKind[]][];
const kinds = kindsWithFault.none;
const bare = (cell: string | undefined): string => (cell ?? '').replaceAll('`', '');

describe('docs/lab.md', () => {
  it('names every kind of proxy', () => {
    expect(allTableRows(page, ['kind', 'speaks']).map(([kind]) => bare(kind))).toEqual(kinds);
  });

  it('names every fault, in order, with the kinds that can have it', () => {
    const rows = allTableRows(page, ['fault', 'settings', 'kinds', 'what the client meets']);
    expect(rows.map(([fault, , which]) => [bare(fault), which])).toEqual(
      faults.map(([fault, which]) => [fault, which.length === kinds.length ? 'all' : which.join(', ')]),
    );
  });

  it('names every setting', () => {
    const source = readFileSync('src/lab/proxy-fault.ts', 'utf8');
    const union = source.slice(
      source.indexOf('export type ProxyFault ='),
      source.indexOf('export type ProxyFaultKind'),
    );
    const settings = new Set([...union.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1] ?? ''));
    settings.delete('kind');
    const rows = allTableRows(page, ['fault', 'settings', 'kinds', 'what the client meets']);
    const named = rows.flatMap(([, cell]) => [...(cell ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1]));
    expect([...new Set(named)].sort()).toEqual([...settings].sort());
  });
});

describe('each kind of proxy', () => {
  it.each(kinds)('%s starts with the faults it can have, and refuses the others', async (kind) => {
    for (const [fault, which] of faults) {
      const behaviour = fault === 'drip' ? { kind: fault, part: 'body' as const } : fault;
      const started = startFaultProxy({ kind, fault: behaviour as ProxyFault });
      if (which.includes(kind)) await (await started).close();
      else await expect(started).rejects.toMatchObject({ code: 'PW_LAB_UNAVAILABLE', data: { kind, fault } });
    }
  });
});
