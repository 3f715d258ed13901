import type { Verdict } from './outcome.js';

/** What a rule of the user's own sees of an answer. */
export interface ClassifiedAnswer {
  /** What was asked for. */
  readonly url: string;
  readonly status: number;
  /** `get` takes any case; null = not there. */
  readonly headers: { get(name: string): string | null };
  /** The first 64 kB of a document as text; undefined where the body was not looked at. */
  readonly body: string | undefined;
  readonly proxyId: string;
  /** `host:port` of the target. */
  readonly host: string;
}

/**
 * A rule of the user's own, asked about every answer before the built-in rules; undefined = no opinion, and those
 * decide. It is synchronous. What it throws breaks no request.
 */
export type UserClassify = (answer: ClassifiedAnswer) => Verdict | undefined;
