import type { Socket } from 'node:net';
import { endOrderly, type FrontHost } from './front.js';
import { openSocksTunnel, type SocksReply, strikesAtOnce } from './socks-tunnel.js';

const replies: Readonly<Record<SocksReply, number>> = {
  granted: 0x5a,
  'not-allowed': 0x5b,
  refused: 0x5b,
  failed: 0x5b,
  'wrong-user': 0x5d,
};

/** More than a request can need: 8 bytes, a user id and a name of 255 each. */
const maxRequestBytes = 1024;

/**
 * Serves one SOCKS4 connection, and with `names` also SOCKS4a, which leaves the look-up to the proxy. The request is
 * one message of a dozen bytes, and no kept library serves it.
 */
export function serveSocks4(host: FrontHost, client: Socket, names: boolean): void {
  const plan = host.plan();
  if (strikesAtOnce(host, client, plan)) return;
  let bytes = Buffer.alloc(0);
  const reply = (what: SocksReply): void => {
    const answer = Uint8Array.of(0, replies[what], 0, 0, 0, 0, 0, 0);
    if (what === 'granted') client.write(answer);
    else endOrderly(client, answer);
  };
  const onEnd = (): void => void client.destroy();
  const onData = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    const request = parseRequest(bytes);
    if (request === 'incomplete' && bytes.length <= maxRequestBytes) return;
    client.off('data', onData).off('end', onEnd).pause();
    if (request === 'incomplete' || request === 'invalid') {
      client.destroy();
      return;
    }
    if (bytes.length > request.length) client.unshift(bytes.subarray(request.length));
    const { user, port } = request;
    const wanted = host.credentials;
    if (plan.fault.kind === 'auth' || (wanted !== null && user !== wanted.username)) {
      host.record('CONNECT', null, plan);
      host.refused('credentials');
      reply('wrong-user');
    } else if (request.byName && !names) {
      host.record('CONNECT', null, plan);
      reply('failed');
    } else {
      openSocksTunnel(host, plan, client, { name: request.name, port }, reply).catch(() => client.destroy());
    }
  };
  client.on('data', onData).once('end', onEnd);
}

interface Socks4Request {
  readonly name: string;
  readonly byName: boolean;
  readonly port: number;
  readonly user: string;
  /** Of the request, in bytes. */
  readonly length: number;
}

/** VN 4, CD 1, port, IPv4 address, user id, NUL; for the address 0.0.0.x (x > 0) also a name, NUL. */
function parseRequest(bytes: Buffer): Socks4Request | 'incomplete' | 'invalid' {
  if ((bytes[0] ?? 4) !== 4 || (bytes[1] ?? 1) !== 1) return 'invalid';
  const userEnd = bytes.indexOf(0, 8);
  if (bytes.length < 9 || userEnd < 0) return 'incomplete';
  const port = bytes.readUInt16BE(2);
  const user = bytes.toString('utf8', 8, userEnd);
  const address = [...bytes.subarray(4, 8)];
  const byName = address.slice(0, 3).every((part) => part === 0) && address[3] !== 0;
  if (!byName) return { name: address.join('.'), byName, port, user, length: userEnd + 1 };
  const nameEnd = bytes.indexOf(0, userEnd + 1);
  if (nameEnd < 0) return 'incomplete';
  return { name: bytes.toString('latin1', userEnd + 1, nameEnd), byName, port, user, length: nameEnd + 1 };
}
