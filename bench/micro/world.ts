import { ProxyConfiguration } from '@crawlee/core';
import type { Clock } from '../../src/core/clock.js';
import { Events } from '../../src/core/events.js';
import { closed } from '../../src/core/health.js';
import { type Member, Pool } from '../../src/core/pool.js';
import { createProxy, type Proxy, proxyUrl } from '../../src/core/proxy.js';
import type { Rotator } from '../../src/core/rotator.js';
import { createRotator } from '../../src/create-rotator.js';
import type { RotatorOptions } from '../../src/options.js';
import { type ProxyWhirl, proxywhirl } from '../../src/proxywhirl.js';
import type { Strategy } from '../../src/strategies/strategy.js';

/** Share of the pool whose breaker is open. */
const UNHEALTHY = 0.3;
/** Selections between two flips: at each, one breaker opens and another one closes. */
export const FLIP_EVERY = 1000;
/** Countries of the pool, evenly spread. */
const COUNTRIES = ['DE', 'FR', 'US', 'GB', 'JP', 'BR', 'IN', 'CA', 'PL', 'ES'] as const;

export const COUNTRY: (typeof COUNTRIES)[number] = COUNTRIES[0];

/** Calls `flip` once in {@link FLIP_EVERY} selections. */
export class Flips {
  readonly #flip: () => void;
  #selections = 0;

  constructor(flip: () => void) {
    this.#flip = flip;
  }

  afterSelection(): void {
    if (++this.#selections % FLIP_EVERY === 0) this.#flip();
  }
}

export function makeProxies(size: number): Proxy[] {
  // So many that one of each is always healthy.
  const countries = size < 100 ? 2 : COUNTRIES.length;
  return Array.from({ length: size }, (_, i) =>
    createProxy({
      host: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
      port: 8000,
      username: `user${i}`,
      password: 'word',
      geo: { countryCode: COUNTRIES[i % countries] as string },
    }),
  );
}

export function crawleeOver(proxies: readonly Proxy[]): ProxyConfiguration {
  return new ProxyConfiguration({ proxyUrls: proxies.map(proxyUrl) });
}

/** A pool without the rest of the engine, for what a choice costs by itself. Health flips by `pool.setBreaker`. */
export interface ChoiceWorld {
  readonly pool: Pool;
  readonly flips: Flips;
  /** Puts a strategy into use over the pool. */
  seat(strategy: Strategy): void;
  /** The figures of a member have changed. */
  changed(member: Member): void;
}

export function choiceWorld(proxies: readonly Proxy[]): ChoiceWorld {
  const engine = { now: 1000, random: Math.random };
  let strategy: Strategy | undefined;
  const changed = (member: Member): void => strategy?.changed?.(member, pool.isServing(member), engine);
  const pool = new Pool({ emaAlpha: 0.2, windowSeconds: 3600 }, new Events(), changed);
  pool.replace(proxies);
  const members = pool.list();
  const opened = Math.floor(members.length * UNHEALTHY);
  let turn = 0;
  const open = (): void =>
    pool.setBreaker(members[turn % members.length] as Member, { state: 'open', until: 1e12, opens: 1 });
  for (; turn < opened; turn++) open();
  const flips = new Flips(() => {
    open();
    pool.setBreaker(members[(turn - opened) % members.length] as Member, closed);
    turn += 1;
  });
  const seat = (next: Strategy): void => {
    strategy = next;
    strategy.attach?.(pool.candidates(), engine);
  };
  return { pool, flips, seat, changed };
}

/** What a flip adds to the time: far more than it takes, so that breakers come due by flips, on any machine. */
const FLIP_MS = 1000;

/** The clock that an engine has by default, moved on by hand: what asking for the time costs is in every figure. */
class MovedClock implements Clock {
  ahead = 1000;

  now(): number {
    return performance.now() + this.ahead;
  }
}

export interface EngineWorld {
  readonly rotator: Rotator;
  readonly flips: Flips;
}

/** The engine. Health flips by outcomes: one proxy fails and opens, another one is due and its probe succeeds. */
export function engineWorld(proxies: readonly Proxy[], options: RotatorOptions = {}): EngineWorld {
  const clock = new MovedClock();
  const rotator = createRotator({ ...engineOptions(proxies, clock), ...options });
  return { rotator, flips: flipping(rotator, proxies, clock) };
}

/** The same behind Crawlee's interface. */
export function crawleeWorld(proxies: readonly Proxy[]): EngineWorld & { readonly whirl: ProxyWhirl } {
  const clock = new MovedClock();
  const whirl = proxywhirl(engineOptions(proxies, clock));
  return { whirl, rotator: whirl.rotator, flips: flipping(whirl.rotator, proxies, clock) };
}

/** A breaker stays open for 0.24 to 0.36 of a round of flips: by jitter, 0.3 on average. */
function engineOptions(
  proxies: readonly Proxy[],
  clock: Clock,
): RotatorOptions & { proxies: readonly Proxy[] } {
  const openMs = FLIP_MS * Math.max(1, proxies.length * UNHEALTHY * 0.8);
  return { proxies, clock, breaker: { threshold: 1, openMs, maxOpenMs: openMs } };
}

function flipping(rotator: Rotator, proxies: readonly Proxy[], clock: MovedClock): Flips {
  const longest = Math.ceil(proxies.length * UNHEALTHY * 1.2) + 1;
  let turn = 0;
  const idAt = (at: number): string => (proxies[at % proxies.length] as Proxy).id;
  const flip = (): void => {
    clock.ahead += FLIP_MS;
    rotator.acquireCarrier(idAt(turn))?.fail({ verdict: 'proxy' });
    if (turn >= longest) rotator.acquireCarrier(idAt(turn - longest))?.succeed();
    turn += 1;
  };
  while (turn < longest) flip();
  return new Flips(flip);
}
