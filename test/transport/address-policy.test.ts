import { get } from 'node:http';
import { createServer, type LookupFunction } from 'node:net';
import { describe, expect, it } from 'vitest';
import { AddressPolicy, isPublicAddress } from '../../src/transport/address-policy.js';

const refused = [
  // Spellings of 127.0.0.1 that URL parsers accept.
  ...['127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '0177.0.0.01'],
  ...['127.0.0.1.', '①②⑦.0.0.1', '127。0。0。1', '１２７.0.0.1', '%31%32%37.0.0.1', '127.255.255.254'],
  // Other addresses of IPv4 that nobody on the internet has.
  ...['0', '0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '012.0.0.1', '100.64.0.1', '100.127.255.255'],
  ...['169.254.169.254', '169.254.170.2', '0xa9fea9fe', '2852039166', '172.16.0.1', '172.31.255.255'],
  ...['192.0.0.1', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
  ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'],
  // IPv6: unspecified, loopback, compatible, mapped, NAT64, 6to4, Teredo, link-local, ULA, site-local, multicast.
  ...['::', '[::]', '::1', '[::1]', '[0:0:0:0:0:0:0:1]', '::127.0.0.1', '[::7f00:1]', '::8.8.8.8'],
  ...['::ffff:127.0.0.1', '[::ffff:7f00:1]', '::ffff:10.0.0.1', '::ffff:0:127.0.0.1', '64:ff9b::127.0.0.1'],
  ...['64:ff9b::a9fe:a9fe', '64:ff9b::', '64:ff9b:1::8.8.8.8', '2002:7f00:1::', '2002:808:808::1'],
  ...[
    '2001:0:7f00:1::',
    '2001::1',
    'fe80::1',
    'fe80::1%eth0',
    '[fe80::1%25eth0]',
    'fd00:ec2::254',
    'fc00::1',
  ],
  ...['fec0::1', 'ff02::1', '2001:db8::1', '3fff::1', '100::1', '5f00::1', '4000::1'],
  // Names.
  ...['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'printer.local', 'metadata.google.internal'],
  ...['metadata', 'instance-data', 'redis', 'router.lan', 'x.home.arpa', 'ⓛocalhost', 'loc%61lhost'],
  // What is no host at all.
  ...['', '.', 'a b.example', '8.8.8.8:80', 'u@8.8.8.8', '8.8.8.8/x', '[::1', '1.2.3.4.5', '256.1.1.1'],
];
const allowed = [
  ...['8.8.8.8', '0x08080808', '134744072', '1.1.1.1', '100.63.255.255', '100.128.0.0', '172.15.255.255'],
  ...['172.32.0.0', '192.0.1.1', '198.20.0.0', '223.255.255.255', '2606:4700::1111', '[2a00:1450::200e]'],
  ...['::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '2001:4860:4860::8888', 'example.com', 'EXAMPLE.com.'],
  ...['localhost.example.com', 'internal.example', 'bücher.example', 'xn--bcher-kva.example', 'a_b.example'],
];

describe('section 6 of the threats: the address policy', () => {
  const policy = new AddressPolicy();

  it.each(refused)('refuses %s', (host) => {
    expect(policy.allowsHost(host)).toBe(false);
  });

  it.each(allowed)('allows %s', (host) => {
    expect(policy.allowsHost(host)).toBe(true);
  });

  it('holds more than 60 odd spellings', () => {
    expect(new Set(refused).size).toBe(refused.length);
    expect(refused.length).toBeGreaterThanOrEqual(60);
  });

  it.each(['localhost', '', '0x7f.1', '8.8.8.8 '])('takes "%s" for no address', (text) => {
    expect(isPublicAddress(text)).toBe(false);
  });

  it('allowPrivate: a list lets these pass, and their names, but no other address', () => {
    const some = new AddressPolicy(['127.0.0.2', '10.1.0.0/16', 'fd00::/8']);
    expect(['127.0.0.2', '10.1.9.9', 'fd00::1', 'localhost'].map((host) => some.allowsHost(host))).toEqual(
      Array(4).fill(true),
    );
    expect(['127.0.0.1', '10.2.0.1', '::1', '::'].map((host) => some.allowsHost(host))).toEqual(
      Array(4).fill(false),
    );
  });

  it('allowPrivate: true lets everything pass', () => {
    const all = new AddressPolicy(true);
    expect(['127.0.0.1', 'localhost', '::1'].every((host) => all.allowsHost(host))).toBe(true);
  });

  it.each(['nonsense', '10.0.0.0/33', '10.0.0.0/x'])('allowPrivate: names the option for %s', (text) => {
    expect(() => new AddressPolicy([text])).toThrow(expect.objectContaining({ code: 'PW_OPTIONS_INVALID' }));
  });
});

/** A resolver that gives these answers to every question. */
function resolver(...addresses: string[]): LookupFunction {
  return (_host, _options, callback) => {
    callback(
      null,
      addresses.map((address) => ({ address, family: 4 })),
    );
  };
}

/** Connects by name, and says how it ended and how many connections a server on loopback got. */
async function connectBy(policy: AddressPolicy): Promise<{ code: string; connects: number }> {
  let connects = 0;
  const server = createServer((socket) => {
    connects += 1;
    socket.resume().end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.2', resolve));
  const { port } = server.address() as { port: number };
  try {
    const code = await new Promise<string>((resolve) => {
      get({ host: 'list.example', port, lookup: policy.lookup, agent: false }, (answer) => {
        answer.resume();
        resolve(String(answer.statusCode));
      }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
    return { code, connects };
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('its look-up', () => {
  it('refuses a public name with a private address, without a connection', async () => {
    const outcome = await connectBy(new AddressPolicy(false, resolver('127.0.0.2')));
    expect(outcome).toEqual({ code: 'PW_ADDRESS_REFUSED', connects: 0 });
  });

  it('refuses a mixed answer as a whole', async () => {
    const outcome = await connectBy(new AddressPolicy(false, resolver('8.8.8.8', '127.0.0.2')));
    expect(outcome).toEqual({ code: 'PW_ADDRESS_REFUSED', connects: 0 });
  });

  it('refuses an empty answer', async () => {
    expect(await connectBy(new AddressPolicy(true, resolver()))).toMatchObject({ connects: 0 });
  });

  it('connects to what it allowed', async () => {
    const outcome = await connectBy(new AddressPolicy(['127.0.0.2'], resolver('127.0.0.2')));
    expect(outcome).toEqual({ code: '204', connects: 1 });
  });

  it('gives one address to who asks for one', async () => {
    const policy = new AddressPolicy(false, resolver('8.8.8.8', '1.1.1.1'));
    const found = await new Promise((resolve) => {
      policy.lookup('list.example', {}, (...given) => resolve(given));
    });
    expect(found).toEqual([null, '8.8.8.8', 4]);
  });

  it('looks up no name that is reserved', async () => {
    let asked = 0;
    const counting: LookupFunction = (...args) => {
      asked += 1;
      resolver('8.8.8.8')(...args);
    };
    const policy = new AddressPolicy(false, counting);
    const error = await new Promise((resolve) => {
      policy.lookup('db.internal', { all: true }, resolve);
    });
    expect([error, asked]).toEqual([expect.objectContaining({ code: 'PW_ADDRESS_REFUSED' }), 0]);
  });

  it('passes on the error of the resolver', async () => {
    const failing: LookupFunction = (_host, _options, callback) =>
      callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), '', 0);
    expect(await connectBy(new AddressPolicy(false, failing))).toEqual({ code: 'ENOTFOUND', connects: 0 });
  });
});
