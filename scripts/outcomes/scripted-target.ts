import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { labCertificatePem, labKeyPem } from '../../src/lab/index.js';
import { badKeyPem, selfSignedPem } from '../../test/transport/bad-certificates.js';
import type { Scheme } from './case.js';
import type { TargetScript } from './situations.js';

/** A target on loopback that does what its script says; `close` resolves when no socket is left. */
export interface ScriptedTarget extends AsyncDisposable {
  readonly port: number;
}

/** libuv reports a RST that comes together with data as an orderly end. */
const resetLagMs = 20;
/** Bytes that go out first, in a TLS record of their own. */
const firstPart = 4_096;

export async function startScriptedTarget(script: TargetScript, scheme: Scheme): Promise<ScriptedTarget> {
  const sockets = new Set<Socket>();
  const context =
    script.kind === 'bad-certificate'
      ? createSecureContext({ cert: selfSignedPem, key: badKeyPem })
      : createSecureContext({ cert: labCertificatePem, key: labKeyPem });
  const server = createServer((raw) => {
    sockets.add(raw);
    raw.on('error', () => {});
    raw.once('close', () => sockets.delete(raw));
    if (script.kind === 'break' && script.at === 'accept') {
      // A FIN with unread bytes becomes a RST, and a RST at once may come before the proxy has answered.
      raw.once('data', () => end(script.by, raw, raw));
      return;
    }
    const secure = scheme === 'https' && script.kind !== 'no-tls';
    const stream = secure ? new TLSSocket(raw, { isServer: true, secureContext: context }) : raw;
    stream.on('error', () => raw.destroy());
    stream.on('data', (chunk: Buffer) => act(script, stream, raw, chunk));
  });
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  if (script.kind === 'dead') await close();
  return { port, [Symbol.asyncDispose]: script.kind === 'dead' ? async () => {} : close };
}

function act(script: TargetScript, stream: Socket, raw: Socket, request: Buffer): void {
  switch (script.kind) {
    case 'page': {
      const path = request.toString('latin1').split(' ')[1] ?? '/';
      const answer =
        script.behind === undefined || path === script.behind ? render(script) : redirect(script);
      stream.write(answer.slice(0, firstPart));
      if (answer.length > firstPart) setTimeout(() => stream.write(answer.slice(firstPart)), resetLagMs);
      return;
    }
    case 'break':
      if (script.at === 'request') end(script.by, stream, raw);
      else {
        const body = `<!doctype html>\n${'<p>text</p>\n'.repeat(400)}`;
        stream.write(head(200, { 'Content-Type': 'text/html', 'Content-Length': '50000' }) + body, () =>
          setTimeout(() => end(script.by, stream, raw), resetLagMs),
        );
      }
      return;
    case 'garbage':
      stream.end(Buffer.from(Array.from({ length: 512 }, (_, i) => 128 + ((i * 37) % 128))));
      return;
    case 'no-tls':
      stream.end(`${head(400, { 'Content-Length': '0' })}`);
      return;
    default:
      return;
  }
}

function end(by: 'close' | 'reset', stream: Socket, raw: Socket): void {
  if (by === 'close') stream.end();
  else raw.resetAndDestroy();
}

function render({ status, headers, body }: Extract<TargetScript, { kind: 'page' }>): string {
  const length = String(Buffer.byteLength(body));
  return head(status, { ...headers, 'Content-Length': length }) + body;
}

function redirect({ behind = '/', redirect: status = 302 }: Extract<TargetScript, { kind: 'page' }>): string {
  return head(status, { Location: behind, 'Content-Length': '0' });
}

function head(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Status\r\n${lines.join('')}\r\n`;
}
