import type { ProxyConfiguration } from '@crawlee/core';
import type { Member } from '../../src/core/pool.js';
import { geoTargeted } from '../../src/strategies/geo-targeted.js';
import { leastUsed } from '../../src/strategies/least-used.js';
import { performanceBased } from '../../src/strategies/performance-based.js';
import { random } from '../../src/strategies/random.js';
import { roundRobin } from '../../src/strategies/round-robin.js';
import type { SelectionContext, Strategy } from '../../src/strategies/strategy.js';
import { weighted } from '../../src/strategies/weighted.js';
import { compare, type Sample, whole } from './measure.js';
import { atMost, type Figure, type Goal, noGoal } from './report.js';
import { newUrlOf } from './rows-crawlee.js';
import { type ChoiceWorld, COUNTRY } from './world.js';

interface ChoiceRow {
  readonly row: string;
  readonly make: () => Strategy;
  readonly context?: SelectionContext;
  /** Whether the request is counted, and its result recorded, so that indexes move as they do in use. */
  readonly updates: boolean;
  readonly goal: Goal;
}

const LARGEST = 100_000;

const rows: readonly ChoiceRow[] = [
  { row: 'choose: round-robin', make: roundRobin, updates: false, goal: atMost(0.6, LARGEST) },
  { row: 'choose: random', make: random, updates: false, goal: atMost(0.6, LARGEST) },
  { row: 'choose: least-used', make: leastUsed, updates: false, goal: atMost(0.6, LARGEST) },
  {
    row: 'choose: geo-targeted',
    make: geoTargeted,
    context: { country: COUNTRY },
    updates: false,
    goal: (size) => (size <= 10_000 ? 1.5 : size <= LARGEST ? 2 : null),
  },
  { row: 'choose + update: least-used', make: leastUsed, updates: true, goal: noGoal },
  { row: 'choose + update: weighted', make: weighted, updates: true, goal: atMost(6, 10_000) },
  {
    row: 'choose + update: performance-based',
    make: performanceBased,
    updates: true,
    goal: atMost(6, 10_000),
  },
];

/** What a strategy needs for one choice, without the engine around it, beside a whole `await newUrl()` of Crawlee. */
export async function choiceRows(
  world: ChoiceWorld,
  crawlee: ProxyConfiguration,
  rounds: number,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { row, make, context = {}, updates, goal } of rows) {
    const strategy = make();
    world.seat(strategy);
    const ours = updates ? choosingAndUpdating(world, strategy) : choosing(world, strategy, context);
    const { ours: value, ratio } = await compare(rounds, ours, newUrlOf(crawlee));
    const { size } = world.pool;
    figures.push({ row, size, value, unit: 'ns/op', ratio, goal: goal(size) });
  }
  return figures;
}

/** A pool of 100,000 may cost at most twice what one of 100 costs. */
export function flatness(figures: readonly Figure[]): Figure[] {
  return rows.flatMap(({ row, updates }) => {
    const [small, large] = [100, LARGEST].map((size) =>
      figures.find((f) => f.row === row && f.size === size),
    );
    if (updates || small === undefined || large === undefined) return [];
    const value = large.value / small.value;
    const goal = row.endsWith('geo-targeted') ? null : 2;
    return [{ row: `${row}, t(100k) / t(100)`, size: LARGEST, value, unit: 'x', ratio: null, goal }];
  });
}

function choosing({ pool, flips }: ChoiceWorld, strategy: Strategy, context: SelectionContext): Sample {
  const engine = { now: 1000, random: Math.random };
  return whole((iterations) => {
    for (let i = 0; i < iterations; i++) {
      strategy.choose(pool.candidates(), context, engine);
      flips.afterSelection();
    }
  });
}

/** One request after the other; each counts, and three in four succeed within 50 to 550 ms. */
function choosingAndUpdating({ pool, flips, changed }: ChoiceWorld, strategy: Strategy): Sample {
  const engine = { now: 1000, random: Math.random };
  let requests = 0;
  return whole((iterations) => {
    for (let i = 0; i < iterations; i++) {
      const member = strategy.choose(pool.candidates(), {}, engine) as Member;
      member.stats.start(engine.now);
      changed(member);
      requests += 1;
      member.stats.finish(requests % 4 === 0 ? 'failed' : 'succeeded', 50 + (requests % 500));
      changed(member);
      flips.afterSelection();
    }
  });
}
