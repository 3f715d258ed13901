/**
 * What a running server goes by, and how to change it. `npx tsx examples/api/configuration.ts`
 */
import { call } from './call.js';

interface Config {
  readonly strategy: string;
  /** Seconds. */
  readonly timeout: number;
  readonly maxRetries: number;
}

const before = await call<Config>('GET', '/config');
console.log(`before: ${before.strategy}, ${before.timeout} s`);

const after = await call<Config>('PUT', '/config', { strategy: 'random', timeout: 10 });
console.log(`after: ${after.strategy}, ${after.timeout} s, ${after.maxRetries} retries`);

const { strategy, timeout } = before;
await call('PUT', '/config', { strategy, timeout });
