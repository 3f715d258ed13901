/** Characters of a value that is shown. */
const MAX_VALUE = 512;
/** Control characters, line separators, and what turns the direction of text: a terminal would not show what is there. */
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** One line of JSON for one event, whatever is in the data: strings are escaped and cut. */
export function logLine(event: string, timestamp: string, data: Readonly<Record<string, unknown>>): string {
  const line = JSON.stringify({ timestamp, event, ...data }, (_, value: unknown) =>
    typeof value === 'string' && value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}…` : value,
  );
  // Within JSON text these characters can only stand in strings.
  return line.replace(unsafe, (character) =>
    Array.from({ length: character.length }, (_, unit) => {
      return `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`;
    }).join(''),
  );
}
