import { startLab } from '../../lab/world.js';
import type { ProxyWhirl } from '../../proxywhirl.js';
import { errorCode } from '../../transport/fetch-error.js';
import { percentile } from '../check-table.js';
import type { CommandContext, SettingFlags } from '../command.js';
import { tracing } from '../complaint.js';
import { withEngine } from '../engine.js';
import { exitCode } from '../exit-code.js';
import { loadSettings, type Settings } from '../settings.js';
import { rounded } from '../table.js';

export interface BenchFlags extends SettingFlags {
  readonly url?: string | undefined;
  readonly requests: number;
  readonly concurrency: number;
}

/** `bench`: how fast requests go through the pool. Without a URL, through four proxies of the lab to its site. */
export async function run(context: CommandContext, flags: BenchFlags): Promise<number> {
  const { terminal } = context;
  const figures = await (flags.url === undefined
    ? onLoopback(context, flags)
    : throughPool(context, flags, flags.url, await loadSettings(context, flags)));
  if (flags.json === true) await terminal.json(figures);
  else
    await terminal.table(
      ['figure', 'value'],
      [
        ['requests', String(figures.requests)],
        ['failed', String(figures.failed)],
        ...Object.entries(figures.errors).map(([code, count]) => [`  ${code}`, String(count)]),
        [
          'attempts per request',
          figures.attemptsPerRequest === null ? '-' : figures.attemptsPerRequest.toFixed(2),
        ],
        ['requests per second', rounded(figures.perSecond)],
        ['median ms', String(figures.medianMs ?? '-')],
        ['p95 ms', String(figures.p95Ms ?? '-')],
        ['p99 ms', String(figures.p99Ms ?? '-')],
      ],
    );
  return figures.failed === 0 ? exitCode.ok : exitCode.finding;
}

async function onLoopback(context: CommandContext, flags: BenchFlags): Promise<BenchFigures> {
  await using lab = await startLab({ proxies: 4 });
  const { httpUrl } = lab.site;
  const loopback: Settings = { options: { proxies: lab.urls, cache: false }, serve: {}, origin: () => null };
  // Awaited: the lab ends with this function.
  return await throughPool(context, flags, `${httpUrl}/`, loopback);
}

interface BenchFigures {
  readonly requests: number;
  readonly failed: number;
  /** By code; those that were answered with a bad status have none. */
  readonly errors: Readonly<Record<string, number>>;
  readonly attemptsPerRequest: number | null;
  readonly perSecond: number;
  readonly medianMs: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

async function throughPool(
  context: CommandContext,
  flags: BenchFlags,
  url: string,
  settings: Settings,
): Promise<BenchFigures> {
  return tracing(settings, () =>
    withEngine(context, settings, {}, (whirl) => measure(context, flags, whirl, url)),
  );
}

async function measure(
  { terminal, signal }: CommandContext,
  { requests, concurrency }: BenchFlags,
  whirl: ProxyWhirl,
  url: string,
): Promise<BenchFigures> {
  const latencies: number[] = [];
  const errors: Record<string, number> = {};
  let left = requests;
  let failed = 0;
  let attempts = 0;
  const bar = terminal.bar(requests, 'requests');
  const lane = async (): Promise<void> => {
    while (left-- > 0 && !signal.aborted) {
      const startedAt = performance.now();
      try {
        const response = await whirl.fetch(url, { signal });
        await response.arrayBuffer();
        attempts += response.attempts.length;
        if (response.status >= 400) failed += 1;
        latencies.push(performance.now() - startedAt);
      } catch (error) {
        if (signal.aborted) return;
        failed += 1;
        const code = errorCode(error);
        errors[code] = (errors[code] ?? 0) + 1;
      }
      bar.update(latencies.length + failed);
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: Math.min(concurrency, requests) }, lane));
  const seconds = (performance.now() - startedAt) / 1000;
  bar.stop();
  return {
    requests: latencies.length + failed,
    failed,
    errors,
    attemptsPerRequest: latencies.length === 0 ? null : attempts / latencies.length,
    perSecond: latencies.length / seconds,
    medianMs: percentile(latencies, 0.5),
    p95Ms: percentile(latencies, 0.95),
    p99Ms: percentile(latencies, 0.99),
  };
}
