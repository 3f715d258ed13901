/** Another cache, with its defaults. */
export interface Contender {
  readonly name: string;
  set(key: string, value: unknown): Promise<unknown>;
  get(key: string): Promise<unknown>;
  close(): Promise<unknown>;
}

interface Contenders {
  memoryCaches(): Promise<Contender[]>;
  keyvSqlite(file: string): Promise<Contender>;
}

/** The other caches, loaded from beside their own package.json, which the compiled file is not. */
export async function loadContenders(root: string): Promise<Contenders> {
  return (await import(new URL('bench/cache/contenders.mjs', `file://${root}/`).href)) as Contenders;
}
