/**
 * A process of its own that loads each URL it is given as a source, and prints what became of it as a line of JSON:
 * `https-lists.ts <url>...`. Which authorities it trusts is decided by `NODE_EXTRA_CA_CERTS`, read at its start.
 */
import { url } from '../../src/sources/index.js';

const { signal } = new AbortController();
for (const address of process.argv.slice(2)) {
  const source = url(address, { allowPrivate: ['127.0.0.0/8', '::1'], headers: { 'x-key': 'k' } });
  const outcome = await source.load({ signal, validator: null }).then(
    (batch) => ({ hosts: batch.changed ? batch.proxies.map(({ host }) => host) : null }),
    ({ code, reason, cause }) => ({ code, reason, cause: cause?.code }),
  );
  console.log(JSON.stringify(outcome));
}
