/** The other caches, each with its defaults, behind the same two calls. `npm run bench:cache` installs them. */

/**
 * A name that is no literal: the packages are those of bench/cache/package.json, not of the root.
 * @param {string} name
 * @returns {Promise<any>}
 */
async function load(name) {
  return await import(name);
}

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {(key: string, value: unknown) => Promise<unknown>} set
 * @property {(key: string) => Promise<unknown>} get
 * @property {() => Promise<unknown>} close
 */

/** @returns {Promise<Contender[]>} */
export async function memoryCaches() {
  const [{ BentoCache, bentostore }, { memoryDriver }, { Cacheable }, { Keyv }] = await Promise.all(
    ['bentocache', 'bentocache/drivers/memory', 'cacheable', 'keyv'].map(load),
  );
  const layer = memoryDriver({ maxItems: 10_000 });
  const bento = new BentoCache({ default: 'l1', stores: { l1: bentostore().useL1Layer(layer) } });
  const cacheable = new Cacheable();
  const keyv = new Keyv();
  return [
    {
      name: 'bentocache',
      set: (key, value) => bento.set({ key, value }),
      get: (key) => bento.get({ key }),
      close: () => bento.disconnectAll(),
    },
    {
      name: 'cacheable',
      set: (key, value) => cacheable.set(key, value),
      get: (key) => cacheable.get(key),
      close: () => cacheable.disconnect(),
    },
    {
      name: 'keyv',
      set: (key, value) => keyv.set(key, value),
      get: (key) => keyv.get(key),
      close: () => keyv.disconnect(),
    },
  ];
}

/**
 * @param {string} file
 * @returns {Promise<Contender>}
 */
export async function keyvSqlite(file) {
  const [{ Keyv }, { default: KeyvSqlite }] = await Promise.all(['keyv', '@keyv/sqlite'].map(load));
  const keyv = new Keyv({ store: new KeyvSqlite(`sqlite://${file}`) });
  return {
    name: 'keyv + @keyv/sqlite',
    set: (key, value) => keyv.set(key, value),
    get: (key) => keyv.get(key),
    close: () => keyv.disconnect(),
  };
}
