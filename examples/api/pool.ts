/**
 * The proxies of a running server: add, look, test, change, remove. `npx tsx examples/api/pool.ts`
 */
import { call } from './call.js';

interface Proxy {
  readonly id: string;
  readonly url: string;
  readonly status: string;
}
interface Page {
  readonly items: readonly Proxy[];
  readonly total: number;
  readonly has_next: boolean;
}

const url = process.env.NEW_PROXY ?? 'http://203.0.113.9:8000';

const { proxy } = await call<{ proxy: Proxy }>('POST', '/proxies?check=false', {
  url,
  username: 'user',
  password: process.env.NEW_PROXY_PASSWORD ?? 'secret',
  tags: ['new'],
});
console.log(`added ${proxy.url}`);

const page = await call<Page>('GET', '/proxies?tag=new&page_size=10');
console.log(`tagged "new": ${page.total}, the first is ${page.items[0]?.status}`);

const [test] = await call<{ status: string }[]>('POST', '/proxies/test', { proxy_ids: [proxy.id] });
console.log(`tested: ${test?.status}`);

const changed = await call<Proxy>('PATCH', `/proxies/${proxy.id}`, { disabled: true });
console.log(`changed: ${changed.status}`);

const seen = await call<Proxy>('GET', `/proxies/${proxy.id}`);
console.log(`seen: ${seen.status}`);

await call('DELETE', `/proxies/${proxy.id}`);
const left = await call<Page>('GET', '/proxies?tag=new');
console.log(`left: ${left.total}`);
