/** A tree of options, as plain objects. */
export type OptionTree = { [name: string]: unknown };

export function isTree(value: unknown): value is OptionTree {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Sets `breaker.threshold`; what stands in the way (`cache: true`, before `cache.dir`) becomes a tree. */
export function setOption(tree: OptionTree, path: readonly string[], value: unknown): void {
  const [name, ...rest] = path;
  if (name === undefined) return;
  if (rest.length === 0) {
    put(tree, name, value);
    return;
  }
  const present: unknown = Object.hasOwn(tree, name) ? tree[name] : undefined;
  const inner: OptionTree = isTree(present) ? { ...present } : {};
  put(tree, name, inner);
  setOption(inner, rest, value);
}

/** Defined, not assigned: `__proto__` is a name like any other, and the options' own rules refuse it. */
function put(tree: OptionTree, name: string, value: unknown): void {
  Object.defineProperty(tree, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Lists that are written as one text: separated by commas, or one entry per line. */
const lists: ReadonlySet<string> = new Set([
  'proxies',
  'sources',
  'cache.tiers',
  'serve.keys',
  'serve.hosts',
]);

/** `12`, `true`, `null` and JSON are what they say; all else is text. */
export function readOption(path: string, text: string): unknown {
  const value = parsed(text);
  if (!lists.has(path)) return value === undefined ? text : value;
  if (Array.isArray(value)) return value;
  const entries = text.split(text.includes('\n') ? '\n' : ',');
  return entries.map((entry) => entry.trim()).filter((entry) => entry !== '');
}

/** Undefined: it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
