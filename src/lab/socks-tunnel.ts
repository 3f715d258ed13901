import type { Socket } from 'node:net';
import { endOrderly, type FrontHost, hang, resetAfterData, waitWhileOpen } from './front.js';
import { loopbackTarget } from './loopback.js';
import { garbage, tlsAlert } from './nonsense.js';
import type { FaultPlan } from './proxy-fault.js';
import { spliceTunnel } from './tunnel-splice.js';

/** What a SOCKS server says to a request; every version has its own codes for it. */
export type SocksReply = 'granted' | 'refused' | 'not-allowed' | 'failed' | 'wrong-user';

/** Dials what the client asked for, replies, and joins the two. The client must be paused. */
export async function openSocksTunnel(
  host: FrontHost,
  plan: FaultPlan,
  client: Socket,
  { name, port }: { name: string; port: number },
  reply: (what: SocksReply) => void,
): Promise<void> {
  const { fault } = plan;
  host.record('CONNECT', name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`, plan);
  if (!(await waitWhileOpen(client, plan.latencyMs))) return;
  if (loopbackTarget(name) === null) {
    host.refused('not-loopback');
    return reply('not-allowed');
  }
  if (fault.kind === 'connect-status') return reply(fault.status === 403 ? 'not-allowed' : 'failed');
  const upstream = host.dial(name, port);
  client.once('close', () => upstream.destroy());
  let granted = false;
  upstream.once('error', () => {
    if (!granted && !client.destroyed) reply('refused');
  });
  upstream.once('connect', () => {
    granted = true;
    reply('granted');
    if (fault.kind === 'close-after-connect') {
      upstream.destroy();
      endOrderly(client);
    } else if (fault.kind === 'reset' && fault.at === 'tunnel') {
      upstream.destroy();
      resetAfterData(host, client);
    } else {
      spliceTunnel(client, upstream, fault, host);
    }
  });
}

/** SOCKS says its target late, so a fault that needs no target strikes at the first byte of the greeting. */
export function strikesAtOnce(host: FrontHost, client: Socket, plan: FaultPlan): boolean {
  const { fault } = plan;
  const strike = (act: () => void): true => {
    client.once('data', () => {
      host.record('CONNECT', null, plan);
      act();
    });
    client.once('end', () => client.destroy());
    return true;
  };
  switch (fault.kind) {
    case 'hang':
      return strike(() => hang(client));
    case 'reset':
      return (fault.at ?? 'request') === 'request' && strike(() => host.reset(client));
    case 'close':
      return strike(() => endOrderly(client));
    case 'garbage':
      return strike(() => endOrderly(client, garbage(fault.bytes ?? 512, host.random)));
    case 'tls-alert':
      return strike(() => endOrderly(client, tlsAlert));
    default:
      return false;
  }
}
