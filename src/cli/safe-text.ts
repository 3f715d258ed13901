/**
 * A text for the terminal: control and bidirectional characters of a list or an answer could rewrite what is on the
 * screen.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]/gu, '?');
}

/** A path as the user typed it; null for what may be a proxy with its credentials in the wrong place. */
export function shownPath(path: string): string | null {
  return /:\/\/|@|:.*:/.test(path.replace(/^[a-z]:\\/i, '')) ? null : printable(path);
}

/**
 * A message of the argument parser, which quotes what was typed. Only what is a flag or a plain word stays: anything
 * else may be a proxy with its credentials.
 */
export function withoutValues(message: string): string {
  return message.replace(/'([^'\n]*)'/g, (quoted, inner: string) =>
    /^(?:-{1,2}[a-z][a-z-]{0,24}(?:, --[a-z][a-z-]{0,24})?(?: [<[][a-z.|-]+[>\]])?|[a-z-]{1,24})$/i.test(
      inner,
    )
      ? quoted
      : "'(not shown)'",
  );
}
