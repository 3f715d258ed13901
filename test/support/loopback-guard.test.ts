import { lookup as lookupCallback } from 'node:dns';
import { lookup, resolve4 } from 'node:dns/promises';
import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { isLoopback, takeViolations } from './loopback-guard.js';

describe('loopback guard', () => {
  it.each(['127.0.0.1', '127.9.8.7', '::1', '[::1]', '::ffff:127.0.0.1', 'localhost', 'a.b.localhost'])(
    'lets %s pass',
    (host) => {
      expect(isLoopback(host)).toBe(true);
    },
  );

  it.each([
    '0.0.0.0',
    '10.0.0.1',
    '203.0.113.7',
    '::',
    '::ffff:10.0.0.1',
    'localhost.example.com',
    '127.example.com',
  ])('stops %s', (host) => {
    expect(isLoopback(host)).toBe(false);
  });

  it('refuses connections by address, by name, through fetch, and by an own look-up', async () => {
    const failures = [
      once(net.connect({ host: '203.0.113.7', port: 80 }), 'connect'),
      once(net.connect(80, 'proxy.example.com'), 'connect'),
      once(new net.Socket().connect(80, 'proxy.example.com'), 'connect'),
      fetch('http://203.0.113.8/'),
      once(
        net.connect({ host: 'x.example', port: 80, lookup: (_h, _o, done) => done(null, '203.0.113.9', 4) }),
        'connect',
      ),
    ];
    const results = await Promise.allSettled(failures);
    expect(results.map((result) => result.status)).toEqual(failures.map(() => 'rejected'));
    expect(takeViolations().sort()).toEqual([
      'connect 203.0.113.7',
      'connect 203.0.113.8',
      'connect proxy.example.com',
      'connect proxy.example.com',
      'connect x.example (203.0.113.9)',
    ]);
  });

  it('refuses look-ups, with callbacks and with promises', async () => {
    await expect(lookup('proxy.example.com')).rejects.toThrow('loopback');
    await expect(resolve4('proxy.example.com')).rejects.toThrow('loopback');
    await expect(
      new Promise((_, reject) => lookupCallback('proxy.example.com', (error) => reject(error))),
    ).rejects.toThrow('loopback');
    expect(takeViolations()).toHaveLength(3);
  });

  it('leaves loopback alone, names of it as well', async () => {
    const server = net.createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    for (const options of [
      { host: '127.0.0.1', port },
      { host: 'localhost', port, family: 4 },
      {
        host: 'x.example',
        port,
        lookup: ((_h, _o, done) => done(null, [{ address: '127.0.0.1', family: 4 }])) as net.LookupFunction,
      },
    ]) {
      const socket = net.connect(options);
      const [data] = await once(socket, 'data');
      expect(String(data)).toBe('hello');
      socket.destroy();
    }
    server.close();
    expect(takeViolations()).toEqual([]);
  });
});
