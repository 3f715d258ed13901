import { timingSafeEqual } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { Socket } from 'node:net';
import { writeSlowly } from './drip.js';
import {
  endOrderly,
  type FrontHost,
  hang,
  type LabCredentials,
  resetAfterData,
  waitWhileOpen,
} from './front.js';
import { forwardRequest } from './http-forward.js';
import { loopbackTarget, parseAuthority } from './loopback.js';
import { garbage, headerFlood, headless, tlsAlert } from './nonsense.js';
import { portalHost, portalLocation, portalPage } from './portal.js';
import type { ProxyFault } from './proxy-fault.js';
import { spliceTunnel } from './tunnel-splice.js';

/**
 * A forward proxy over HTTP/1.1: CONNECT, and absolute-form requests for `http:` targets. The server never listens;
 * sockets are handed to it (`server.emit('connection', socket)`).
 */
export function createHttpFront(host: FrontHost): Server {
  const server = createServer((request, response) => {
    // Someone who broke off is no error of the lab.
    serveRequest(host, request, response).catch(() => request.socket.destroy());
  });
  // A lab whose own timers close idle connections would make races that no test asked for.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    serveConnect(host, request, socket, head).catch(() => socket.destroy());
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    else socket.destroy();
  });
  return server;
}

async function serveConnect(
  host: FrontHost,
  request: IncomingMessage,
  client: Socket,
  head: Buffer,
): Promise<void> {
  const authority = request.url ?? '';
  const plan = host.plan();
  const { fault } = plan;
  host.record('CONNECT', authority, plan);
  if (head.length > 0) client.unshift(head);
  if (strikesAtOnce(host, client, fault, true)) return;
  if (!(await waitWhileOpen(client, plan.latencyMs))) return;

  if (fault.kind === 'portal') return endOrderly(client, rawAnswer(302, { Location: portalLocation }));
  if (!mayPass(host, request, fault)) return endOrderly(client, rawAnswer(407, {}));
  const target = parseAuthority(authority);
  if (target === null || loopbackTarget(target.host) === null) {
    host.refused('not-loopback');
    return endOrderly(client, rawAnswer(403, {}, `${authority} is not on this machine\n`));
  }
  if (fault.kind === 'connect-status' && !opensTunnel(fault)) return endOrderly(client, faultAnswer(fault));

  const upstream = host.dial(target.host, target.port);
  client.once('close', () => upstream.destroy());
  let open = false;
  upstream.once('error', () => {
    if (!open) endOrderly(client, rawAnswer(502, {}, 'The target refused the connection\n'));
  });
  upstream.once('connect', () => {
    open = true;
    const status = fault.kind === 'connect-status' ? (fault.status ?? 502) : 200;
    const answer = `HTTP/1.1 ${status} Connection established\r\n\r\n`;
    if (fault.kind === 'interim') client.write(interimAnswers(fault));
    if (fault.kind === 'close-after-connect') {
      upstream.destroy();
      endOrderly(client, answer);
    } else if (fault.kind === 'reset' && fault.at === 'tunnel') {
      upstream.destroy();
      client.write(answer);
      resetAfterData(host, client);
    } else if (fault.kind === 'drip' && fault.part !== 'body') {
      writeSlowly(client, answer, fault.everyMs ?? 50, () => spliceTunnel(client, upstream, fault, host));
    } else {
      client.write(answer);
      spliceTunnel(client, upstream, fault, host);
    }
  });
}

async function serveRequest(
  host: FrontHost,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const client = request.socket;
  const url = absoluteTarget(request.url);
  const plan = host.plan();
  const { fault } = plan;
  host.record(request.method ?? 'GET', url === null ? null : `${url.hostname}:${url.port || 80}`, plan);
  if (fault.kind === 'close-after-connect' || strikesAtOnce(host, client, fault, false)) {
    request.resume();
    if (fault.kind === 'close-after-connect') endOrderly(client);
    return;
  }
  if (!(await waitWhileOpen(client, plan.latencyMs))) return;

  if (fault.kind === 'portal') {
    request.resume();
    sendPortal(response, url?.hostname === portalHost || fault.redirect === false);
    return;
  }
  if (!mayPass(host, request, fault)) {
    request.resume();
    response.writeHead(407, { 'proxy-authenticate': challenge, 'content-length': 0 }).end();
    return;
  }
  if (fault.kind === 'connect-status') {
    request.resume();
    return endOrderly(client, faultAnswer(fault));
  }
  if (url === null || loopbackTarget(url.hostname) === null) {
    request.resume();
    if (url !== null) host.refused('not-loopback');
    const [status, why] =
      url === null ? [400, 'Not a request for a proxy\n'] : [403, `${url.host} is not on this machine\n`];
    response.writeHead(status, { 'content-type': 'text/plain' }).end(why);
    return;
  }
  if (fault.kind === 'interim') client.write(interimAnswers(fault));
  forwardRequest(host, request, response, url, fault);
}

function sendPortal(response: ServerResponse, page: boolean): void {
  if (!page) response.writeHead(302, { location: portalLocation, 'content-length': 0 }).end();
  else response.writeHead(200, { 'content-type': 'text/html' }).end(portalPage);
}

function interimAnswers({ statuses = [100, 103] }: Extract<ProxyFault, { kind: 'interim' }>): string {
  return statuses.map((status) => `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n\r\n`).join('');
}

/** The faults that need no target: true when the request has had its fate. */
function strikesAtOnce(host: FrontHost, client: Socket, fault: ProxyFault, tunnel: boolean): boolean {
  switch (fault.kind) {
    case 'hang':
      hang(client);
      return true;
    case 'reset':
      // Plain http has no tunnel to wait for.
      if (fault.at === 'response' || (fault.at === 'tunnel' && tunnel)) return false;
      host.reset(client);
      return true;
    case 'close':
      endOrderly(client);
      return true;
    case 'garbage':
      endOrderly(client, garbage(fault.bytes ?? 512, host.random));
      return true;
    case 'tls-alert':
      endOrderly(client, tlsAlert);
      return true;
    case 'http-0.9':
      endOrderly(client, headless);
      return true;
    case 'header-flood':
      endOrderly(client, headerFlood(fault.headers ?? 1, fault.bytes ?? 32_768));
      return true;
    default:
      return false;
  }
}

const challenge = 'Basic realm="lab"';

function mayPass(host: FrontHost, request: IncomingMessage, fault: ProxyFault): boolean {
  const wanted = host.credentials;
  if (fault.kind !== 'auth' && (wanted === null || isRight(request.headers['proxy-authorization'], wanted)))
    return true;
  host.refused('credentials');
  return false;
}

function isRight(header: string | undefined, wanted: LabCredentials): boolean {
  const [scheme, token] = (header ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'basic' || token === undefined) return false;
  const given = Buffer.from(token, 'base64');
  const right = Buffer.from(`${wanted.username}:${wanted.password}`);
  return given.length === right.length && timingSafeEqual(given, right);
}

function absoluteTarget(url: string | undefined): URL | null {
  if (url === undefined || !/^http:\/\//i.test(url)) return null;
  return URL.canParse(url) ? new URL(url) : null;
}

type StatusFault = Extract<ProxyFault, { kind: 'connect-status' }>;

function opensTunnel(fault: StatusFault): boolean {
  const status = fault.status ?? 502;
  return status >= 200 && status < 300 && fault.body === undefined;
}

function faultAnswer(fault: StatusFault): string {
  return rawAnswer(fault.status ?? 502, fault.headers ?? {}, fault.body ?? '');
}

/** Written by hand because a status like 201 to CONNECT, or 999, is exactly what node:http would not send. */
function rawAnswer(status: number, headers: Readonly<Record<string, string>>, body = ''): string {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}`, 'Connection: close'];
  if (status === 407) lines.push(`Proxy-Authenticate: ${challenge}`);
  if (status >= 200 && status !== 204) lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
