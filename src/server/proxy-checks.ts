import type { LookupFunction } from 'node:net';
import { z } from '@hono/zod-openapi';
import { OPERATOR_SOURCE } from '../core/adjustment.js';
import { OptionsError } from '../errors.js';
import type { ProbeResult } from '../health/probe.js';
import { openProxyConnection } from '../transport/tunnel.js';
import { TunnelError } from '../transport/tunnel-error.js';
import type { ApiContext } from './api-context.js';

/** What a test of one proxy has shown. */
export interface ProxyTest {
  proxyId: string;
  status: 'working' | 'reachable' | 'failed';
  latencyMs: number | null;
  error: { code: string } | null;
  testedAt: string;
}

export const proxyTestSchema: z.ZodType<ProxyTest> = z
  .strictObject({
    proxyId: z.string(),
    status: z
      .enum(['working', 'reachable', 'failed'])
      .describe(
        '`working`: it brought the check URL of the option `health.check`. `reachable`: without that option, it ' +
          'takes connections, and no more is known.',
      ),
    latencyMs: z.number().min(0).nullable(),
    error: z.strictObject({ code: z.string() }).nullable().describe('A stable code; never what it answered.'),
    testedAt: z.iso.datetime(),
  })
  .openapi('ProxyTest');

/** Without a check URL nothing but connecting can be tried, which takes no longer than this, in ms. */
const REACH_MS = 5_000;
const AT_ONCE = 20;

type Parts = Pick<ApiContext, 'whirl' | 'rotator' | 'options' | 'clock'>;

/**
 * Tests these proxies through the engine, so that their health is updated; those that are gone are passed over.
 * @param lookup for those that clients have added: refuses what they must not lead to
 */
export async function testProxies(
  context: Parts,
  ids: readonly string[],
  lookup: LookupFunction,
): Promise<ProxyTest[]> {
  const testedAt = (): string => new Date(context.options.now()).toISOString();
  try {
    const results = await context.whirl.health.check(ids);
    return results.map((result) => ({ ...shown(result), testedAt: testedAt() }));
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
  }
  const left = ids.values();
  const tests: ProxyTest[] = [];
  const lane = async (): Promise<void> => {
    for (const id of left) {
      const test = await reach(context, id, lookup);
      if (test !== null) tests.push({ ...test, testedAt: testedAt() });
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, ids.length) }, lane));
  return tests;
}

function shown({ proxyId, ok, latencyMs, error }: ProbeResult): Omit<ProxyTest, 'testedAt'> {
  return { proxyId, status: ok ? 'working' : 'failed', latencyMs, error: error && { code: error.code } };
}

async function reach(
  { rotator, clock }: Parts,
  proxyId: string,
  guarded: LookupFunction,
): Promise<Omit<ProxyTest, 'testedAt'> | null> {
  const lease = rotator.acquireCarrier(proxyId);
  if (lease === undefined) return null;
  const startedAt = clock.now();
  try {
    const lookup = lease.proxy.source === OPERATOR_SOURCE ? guarded : undefined;
    const { socket } = await openProxyConnection({ proxy: lease.proxy, deadlineMs: REACH_MS, lookup });
    socket.destroy();
    return { proxyId, status: 'reachable', latencyMs: clock.now() - startedAt, error: null };
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    lease.settle({ verdict: error.verdict, error });
    return { proxyId, status: 'failed', latencyMs: null, error: { code: error.code } };
  } finally {
    lease.release();
  }
}
