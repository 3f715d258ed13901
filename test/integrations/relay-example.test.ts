import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it('C-09 examples/clients/relay.ts shows curl through the pool', async () => {
  const { FORCE_COLOR: _, NO_COLOR: __, ...env } = process.env;
  const args = ['--import', 'tsx', 'examples/clients/relay.ts'];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env, timeout: 100_000 });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^http through the relay: +127\.0\.0\.[45]$/m);
  expect(stdout).toMatch(/^https through the relay: +127\.0\.0\.[45]$/m);
  expect(stdout).toMatch(/^the same by SOCKS5: +127\.0\.0\.[45]$/m);
  expect(stdout).toContain('one session: 1 address');
  expect(stdout).toContain('{ tunnels: 8, requests: 1, failedOver: true }');
});
