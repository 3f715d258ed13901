/**
 * Setup file of every test: `vi.waitFor` waits as long as `expect.poll` is set to. Vitest gives up after a second and has
 * no setting for it, and a second is not much on a machine that is busy with others.
 */
import { vi } from 'vitest';

const TIMEOUT_MS = 20_000;
const { waitFor } = vi;

vi.waitFor = (callback, options) =>
  waitFor(callback, typeof options === 'number' ? options : { timeout: TIMEOUT_MS, ...options });
