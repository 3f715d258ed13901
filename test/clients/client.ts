import type { ProxyWhirl } from '../../src/index.js';

/** One page that a client was shown. */
export interface Visit {
  readonly url: string;
  /** What the page said; for `/ip` of the lab, a JSON with the address that the site saw. */
  readonly text: string;
  /** The session in which it was asked for. */
  readonly session: string;
}

/** What a client is asked to do. */
export interface Journey {
  readonly whirl: ProxyWhirl;
  readonly urls: readonly string[];
  /** All of it in one session, one page after the other; null = a proxy for each page, several pages at a time. */
  readonly session: string | null;
  /** The longest that a page may take, in ms. */
  readonly limitMs: number;
}

/** A client with our adapter for it. Pages that cannot be had are left out: how they fail differs too much. */
export interface Client {
  readonly name: string;
  visit(journey: Journey): Promise<Visit[]>;
  /** What it is judged by is a connection, which may carry several pages or none. */
  readonly perConnection?: boolean;
  /** It starts a browser for each proxy. */
  readonly launchesPerProxy?: boolean;
}

/** Pages at a time where there is no session. */
export const AT_ONCE = 6;

/** Asks for each URL, and keeps what came. */
export async function visitEach(
  { urls, session }: Journey,
  get: (url: string) => Promise<string>,
): Promise<Visit[]> {
  const visits: Visit[] = [];
  const left = [...urls];
  const next = async (): Promise<void> => {
    for (let url = left.shift(); url !== undefined; url = left.shift()) {
      const text = await get(url).catch(() => null);
      if (text !== null) visits.push({ url, text, session: session ?? '' });
    }
  };
  await Promise.all(Array.from({ length: session === null ? AT_ONCE : 1 }, next));
  return visits;
}
