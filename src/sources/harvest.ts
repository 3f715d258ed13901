import { parseProxy } from '../core/parse.js';
import { type Proxy, withMetadata } from '../core/proxy.js';
import { ProxyParseError, ProxyWhirlError, type RejectedLine } from '../errors.js';

/** What a list holds. Each record that is neither blank nor a comment is in exactly one of the two. */
export interface ParsedProxyList {
  /** In the order of the list, each id once. */
  readonly proxies: readonly Proxy[];
  /** In the order of the list; the messages repeat nothing of the input. */
  readonly rejected: readonly RejectedLine[];
}

/** Collects what the reader of a format finds. */
export class Harvest {
  readonly #proxies = new Map<string, Proxy>();
  readonly #rejected: RejectedLine[] = [];

  /** A proxy that is there already keeps its place and its metadata, and gains what only the new entry says. */
  add(proxy: Proxy): void {
    const known = this.#proxies.get(proxy.id);
    this.#proxies.set(proxy.id, known === undefined ? proxy : merge(known, proxy));
  }

  reject(line: number, rule: string, message: string, column?: number): void {
    this.#rejected.push({ line, ...(column !== undefined && { column }), rule, message });
  }

  /** Rejects with what was thrown; anything but an error of the library is a bug and goes on its way. */
  rejectWith(line: number, error: unknown, withColumn = false): void {
    if (error instanceof ProxyParseError)
      this.reject(line, error.rule, String(error.data.why), withColumn ? error.column : undefined);
    else if (error instanceof ProxyWhirlError) this.reject(line, 'metadata', error.message);
    else throw error;
  }

  /** Reads a text as one proxy. Columns count within `text`, so they are given only where that is the line itself. */
  read(line: number, text: string, withColumn = false): void {
    try {
      this.add(parseProxy(text));
    } catch (error) {
      this.rejectWith(line, error, withColumn);
    }
  }

  get isEmpty(): boolean {
    return this.#proxies.size === 0 && this.#rejected.length === 0;
  }

  result(): ParsedProxyList {
    return { proxies: [...this.#proxies.values()], rejected: this.#rejected };
  }
}

function merge(first: Proxy, later: Proxy): Proxy {
  const gains =
    (first.geo === undefined && later.geo !== undefined) ||
    (first.cost === undefined && later.cost !== undefined) ||
    (first.source === undefined && later.source !== undefined) ||
    (first.tags.length === 0 && later.tags.length > 0);
  if (!gains) return first;
  return withMetadata(first, {
    geo: first.geo ?? later.geo,
    cost: first.cost ?? later.cost,
    source: first.source ?? later.source,
    tags: first.tags.length > 0 ? first.tags : later.tags,
  });
}
