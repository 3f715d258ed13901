/** The lab of `reuse.ts` in a process of its own, so that what it computes is not counted as the client's. */
import { startLab } from 'proxywhirl/lab';

const lab = await startLab({ proxies: 1, site: { pageBytes: 200 } });
process.on('message', () => process.send?.(lab.proxies[0]?.stats.connections ?? 0));
process.on('disconnect', () => void lab.close());
process.send?.({ proxy: lab.urls[0], url: `${lab.site.httpsUrl}/ip` });
