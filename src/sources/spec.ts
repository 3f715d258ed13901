/**
 * A `Source`, told by its shape: the options are part of `proxywhirl/core`, whose types need none of Node's. The
 * factories of `proxywhirl/sources` make them.
 */
export interface AnySource {
  readonly name: string;
  readonly settings: object;
  load(context: never): Promise<object>;
}

/** A source, or the URL or path of one with the default settings. */
export type SourceSpec = string | { readonly href: string } | AnySource;
