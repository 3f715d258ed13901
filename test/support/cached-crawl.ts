/**
 * A process of its own that sends requests through an engine with a cache, one after the other, and prints what it
 * does as JSON lines: `cached-crawl.ts <settings as JSON>`.
 */
import { writeSync } from 'node:fs';
import { type ProxyWhirlOptions, proxywhirl } from '../../src/index.js';

interface Settings {
  readonly options: ProxyWhirlOptions;
  readonly url: string;
  readonly requests: number;
  /** Waits after the requests for a signal instead of closing the engine. */
  readonly waits?: boolean;
  /** Whether each request belongs to one of three sessions. */
  readonly sessions?: boolean;
}

const {
  options,
  url,
  requests,
  waits = false,
  sessions = false,
} = JSON.parse(process.argv[2] ?? '{}') as Settings;
const say = (line: object): void => void writeSync(1, `${JSON.stringify(line)}\n`);
const whirl = proxywhirl(options);
for (const event of ['warning', 'degraded', 'loaded'] as const)
  whirl.cache?.on(event, (payload) => say({ event, payload }));
for (let i = 0; i < requests; i++) {
  const session = sessions ? { sessionId: `canary-session-${i % 3}` } : {};
  try {
    const response = await whirl.fetch(url, { ...session, deadlineMs: 2_000 });
    await response.text();
    say({ tried: response.attempts.map(({ proxyId }) => proxyId) });
  } catch (error) {
    say({ failed: (error as { code?: string }).code });
  }
}
say({ condemned: whirl.rotator.pool.list(({ health }) => health !== 'closed').map(({ id }) => id) });
if (waits) {
  await whirl.flush();
  say({ flushed: true });
  setInterval(() => {}, 1_000);
} else await whirl.close();
