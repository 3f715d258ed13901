/**
 * Whether `text` is an IPv4 address in strict dotted form: four decimal numbers without leading zeros. Octal,
 * hexadecimal and short forms are no addresses here, because clients disagree on what they mean.
 */
export function isIpv4(text: string): boolean {
  if (text.length < 7 || text.length > 15) return false;
  let groups = 1;
  let value = -1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (value < 0) return false;
      groups++;
      value = -1;
    } else if (code >= 48 && code <= 57) {
      if (value === 0) return false;
      value = (value < 0 ? 0 : value * 10) + code - 48;
      if (value > 255) return false;
    } else return false;
  }
  return groups === 4 && value >= 0;
}

/** The canonical text of an IPv6 address (RFC 5952, all hexadecimal as in URLs), or undefined. No zone, no brackets. */
export function canonicalIpv6(text: string): string | undefined {
  // 45 = the longest spelling, eight groups with a dotted tail.
  if (text.length < 2 || text.length > 45) return undefined;
  const gap = text.indexOf('::');
  let groups: number[] | undefined;
  if (gap < 0) {
    groups = readGroups(text);
    if (groups?.length !== 8) return undefined;
  } else {
    const head = gap === 0 ? [] : readGroups(text.slice(0, gap), false);
    const tail = gap + 2 === text.length ? [] : readGroups(text.slice(gap + 2));
    // `::` stands for at least one group; eight written ones leave it nothing.
    if (head === undefined || tail === undefined || head.length + tail.length > 7) return undefined;
    groups = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  }
  return print(groups);
}

function readGroups(text: string, mayEndDotted = true): number[] | undefined {
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (mayEndDotted && index === parts.length - 1 && part.includes('.')) {
      if (!isIpv4(part)) return undefined;
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
      groups.push(a * 256 + b, c * 256 + d);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

/** RFC 5952: the longest run of two or more zero groups becomes `::`, the first one when two are as long. */
function print(groups: readonly number[]): string {
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    if (end > i) i = end;
  }
  const hex = groups.map((group) => group.toString(16));
  if (start < 0) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}
