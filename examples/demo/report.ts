import Table from 'cli-table3';
import pc from 'picocolors';
import type { CrawlResult } from './crawls.js';

/** No line between rows: thirteen proxies shall fit on a screen. */
const chars = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };

type Row = readonly [label: string, result: CrawlResult];

/** The crawls side by side. */
export function summaryTable(rows: readonly Row[]): string {
  const table = new Table({
    head: ['crawl', 'pages done', 'failed requests', 'attempts', 'bans', 'seconds'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    chars,
    style: { head: [], border: [] },
  });
  for (const [label, { pages, failed, attempts, bans, seconds }] of rows) {
    table.push([
      label,
      pages,
      failed === 0 ? pc.green('0') : pc.red(failed),
      attempts,
      bans,
      seconds.toFixed(1),
    ]);
  }
  return table.toString();
}

/** What ProxyWhirl knows of each proxy when the crawl is over. */
export function proxyTable({ proxies }: CrawlResult): string {
  const table = new Table({
    head: ['proxy', 'requests', 'success rate', 'EMA ms', 'health'],
    colAligns: ['left', 'right', 'right', 'right', 'left'],
    chars,
    style: { head: [], border: [] },
  });
  for (const { name, started, succeeded, failed, emaLatencyMs, health } of proxies ?? []) {
    const finished = succeeded + failed;
    table.push([
      name,
      started,
      finished === 0 ? '-' : `${Math.round((100 * succeeded) / finished)} %`,
      emaLatencyMs === null ? '-' : emaLatencyMs.toFixed(0),
      health === 'closed' ? pc.green(health) : pc.red(health),
    ]);
  }
  return table.toString();
}
