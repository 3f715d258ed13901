import fc from 'fast-check';
import { createProxy, type Proxy, type ProxyProtocol } from '../../src/core/proxy.js';

/** 200 cases in a normal run; PW_FUZZ_RUNS asks for more. */
export const runs = { numRuns: Math.max(200, Number(process.env.PW_FUZZ_RUNS ?? 0)) };

const protocols: ProxyProtocol[] = ['http', 'https', 'socks4', 'socks4a', 'socks5', 'socks5h'];

const label = fc
  .stringMatching(/^[a-z]([a-z0-9_-]{0,10}[a-z0-9])?$/)
  .filter((text) => !text.includes('xn--'));
const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
const host = fc.oneof(
  fc.ipV4(),
  fc
    .array(fc.oneof(group, fc.constant('0')), { minLength: 8, maxLength: 8 })
    .map((groups) => groups.join(':')),
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
  fc.constantFrom('bücher.example', '例え.example', 'localhost'),
);

/** Any text that can be sent: no controls, no damaged characters. */
const credential = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.string({ unit: fc.constantFrom(...':@/?#\\%,;| {}[]"\'<>aB1é😀'), maxLength: 40 }),
    fc.constantFrom('', '%', '%41', '%6q', '203.0.113.7:80', 'http://h:1', '://', '#', ' # x'),
  )
  .filter((text) => !/\p{Cc}|\ufffd/u.test(text) && new TextEncoder().encode(text).length <= 255);

export const proxyArbitrary: fc.Arbitrary<Proxy> = fc
  .record({
    protocol: fc.constantFrom(...protocols),
    host,
    port: fc.integer({ min: 1, max: 65_535 }),
    username: fc.option(credential),
    password: fc.option(credential),
  })
  .map((fields) =>
    createProxy({
      ...fields,
      username: fields.protocol.startsWith('http')
        ? (fields.username?.replaceAll(':', '') ?? null)
        : fields.username,
      password: fields.protocol.startsWith('socks4') ? null : fields.password,
    }),
  );

/** Lines made of what the grammar is made of: most are wrong, in every possible place. */
export const lineArbitrary: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc
    .array(
      fc.constantFrom(
        ...[
          'http',
          'https',
          'socks5',
          'socks',
          '://',
          ':',
          '@',
          '/',
          '?',
          '#',
          '\\',
          ',',
          ';',
          '|',
          ' ',
          '\t',
          '[',
          ']',
        ],
        ...[
          '203.0.113.7',
          '2001:db8::1',
          '[::1]',
          'proxy',
          'a.example',
          'ü.example',
          'xn--',
          '.',
          '0x7f',
          '80',
          '0',
          '99999',
        ],
        ...[
          'user',
          'pass',
          '%41',
          '%6q',
          '%',
          '%00',
          '"',
          "'",
          '<',
          '>',
          'DE',
          '\u200b',
          '\ufeff',
          '\ud800',
          '\0',
          '😀',
        ],
      ),
      { maxLength: 24 },
    )
    .map((parts) => parts.join('')),
);
