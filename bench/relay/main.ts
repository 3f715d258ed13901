/**
 * The relay beside proxy-chain, which Crawlee puts in front of browsers: forward requests on kept connections, new and
 * reused tunnels, and the time that each adds. Relay and upstream are processes of their own; the contenders take short
 * turns within one run. The ratio is the median of those of neighbouring turns, which a machine that is busy with other
 * things slows down alike. `npm run bench:relay`, `npm run bench:relay -- --rounds 9 --json`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { forwardLatency, forwardRate, newTunnelRate, reusedTunnelRate } from './load.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '21' },
    ms: { type: 'string', default: '300' },
    json: { type: 'boolean' },
  },
});
const rounds = Number(values.rounds);
const ms = Number(values.ms);
const names = ['proxywhirl', 'proxy-chain'] as const;
type Name = (typeof names)[number];

async function start(role: string, upstream = 0): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(fileURLToPath(new URL('./child.js', import.meta.url)), [role, String(upstream)]);
  const [port] = (await once(child, 'message')) as [number];
  return { child, port };
}

const rows = [
  { row: 'forward, kept alive', unit: 'req/s', goal: 1.5, measure: forwardRate },
  { row: 'CONNECT, new tunnels', unit: 'tunnels/s', goal: 1.2, measure: newTunnelRate },
  { row: 'CONNECT, reused tunnel', unit: 'req/s', goal: 1, measure: reusedTunnelRate },
] as const;

const upstream = await start('upstream');
const contenders = {
  proxywhirl: await start('proxywhirl', upstream.port),
  'proxy-chain': await start('proxy-chain', upstream.port),
};
const samples: Record<string, Record<Name, number[]>> = {};
const direct: number[] = [];
const sample = (row: string, name: Name, value: number): void => {
  samples[row] ??= { proxywhirl: [], 'proxy-chain': [] };
  samples[row][name].push(value);
};
// The first round warms the compilers up and is not counted.
for (let round = 0; round <= rounds; round++) {
  // Who goes first alternates: a machine that slows down must not favour one.
  const order = round % 2 === 0 ? names : names.toReversed();
  for (const { row, measure } of rows) {
    for (const name of order) {
      const rate = await measure(contenders[name].port, ms);
      if (round > 0) sample(row, name, rate);
    }
  }
  const base = await forwardLatency(upstream.port, ms / 2);
  if (round > 0) direct.push(base);
  for (const name of order) {
    const latency = await forwardLatency(contenders[name].port, ms / 2);
    if (round > 0) sample('added latency', name, latency - base);
  }
  process.stderr.write(`round ${round}/${rounds}\n`);
}
for (const { child } of [upstream, ...Object.values(contenders)]) child.kill();

const results = [...rows, { row: 'added latency', unit: 'us', goal: 1 }].map(({ row, unit, goal }) => {
  const [owns = [], others = []] = names.map((name) => samples[row]?.[name]);
  const ratio = median(owns.map((value, round) => value / (others[round] ?? Number.NaN)));
  return {
    row,
    unit,
    own: median(owns),
    other: median(others),
    ratio,
    goal,
    holds: unit === 'us' ? ratio <= goal : ratio >= goal,
  };
});
if (values.json) {
  process.stdout.write(
    `${JSON.stringify({ node: process.version, rounds, ms, results, samples, direct }, null, 2)}\n`,
  );
} else {
  for (const { row, unit, own, other, ratio, goal, holds } of results) {
    const bar = unit === 'us' ? '<= 1' : `>= ${goal}`;
    process.stdout.write(
      `${row.padEnd(24)} relay ${own.toFixed(0).padStart(7)}   proxy-chain ${other.toFixed(0).padStart(7)} ` +
        `${unit.padEnd(9)}  ${ratio.toFixed(2)} x (${bar}: ${holds ? 'holds' : 'MISSED'})\n`,
    );
  }
}

function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
