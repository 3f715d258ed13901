/**
 * A program that only knows "the proxy is at localhost:port" uses the whole pool: the relay in front of a lab in which
 * half of the proxies are dead, so that nothing leaves this machine. `npx tsx examples/clients/relay.ts`
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { proxywhirl } from 'proxywhirl';
import { labCaPem, startLab } from 'proxywhirl/lab';
import { startRelay } from 'proxywhirl/relay';

const login = { username: 'lab', password: 'secret' };
await using lab = await startLab({
  proxies: [
    { fault: 'dead' },
    { fault: 'dead' },
    { credentials: login },
    { kind: 'socks5', credentials: login },
  ],
});
await using whirl = proxywhirl({ proxies: lab.urls });
await using relay = await startRelay(whirl, { proxyCa: labCaPem });
console.log(`relay at ${relay.url.replace(/\d+$/, '<port>')}`);

const run = promisify(execFile);
// The lab signs its own certificates: -k. It is on loopback, which curl would reach directly: --noproxy.
async function curl(proxy: string, url: string): Promise<string> {
  const { stdout } = await run('curl', ['-sSk', '--noproxy', '', '--proxy', proxy, url]);
  return (JSON.parse(stdout) as { address: string }).address;
}

const { httpUrl, httpsUrl } = lab.site;
console.log('http through the relay:  ', await curl(relay.url, `${httpUrl}/ip`));
console.log('https through the relay: ', await curl(relay.url, `${httpsUrl}/ip`));
console.log('the same by SOCKS5:      ', await curl(relay.socksUrl, `${httpsUrl}/ip`));

// A session by user name: all its requests leave from one address.
const session = relay.url.replace('://', '://session-checkout-17:x@');
const addresses: string[] = [];
for (let i = 0; i < 6; i++) addresses.push(await curl(session, `${httpsUrl}/ip`));
console.log('one session:', new Set(addresses).size, 'address');

const { tunnels, requests, failovers } = relay.stats();
console.log({ tunnels, requests, failedOver: failovers > 0 });
