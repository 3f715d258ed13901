import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { SqliteTier, type SqliteTierOptions } from '../../src/cache/sqlite-tier.js';
import { describeTierContract } from '../contracts/tier-contract.js';
import { testRing } from '../support/cache-entries.js';

const dir = mkdtempSync(join(tmpdir(), 'pw-sqlite-'));
afterAll(() => rmSync(dir, { recursive: true }));
let files = 0;
const fresh = () => join(dir, `${++files}`, 'cache.db');

function sqliteTier(options: Partial<SqliteTierOptions> = {}): SqliteTier {
  return new SqliteTier({
    now: Date.now,
    maxEntries: null,
    path: fresh(),
    ring: testRing(),
    busyTimeoutMs: 5000,
    report: (error) => {
      throw error;
    },
    ...options,
  });
}

describeTierContract({ name: 'sqlite', open: async (settings) => sqliteTier(settings), runs: 12 });
