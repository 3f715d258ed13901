import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type Proxy, proxyUrl } from '../../src/core/proxy.js';
import { type ParsedProxyList, parseProxyList } from '../../src/sources/formats.js';

function fixture(name: string): Uint8Array {
  return readFileSync(new URL(`../../fixtures/lists/${name}`, import.meta.url));
}

function urls({ proxies }: ParsedProxyList): string[] {
  return proxies.map(proxyUrl);
}

function rules({ rejected }: ParsedProxyList): string[] {
  return rejected.map(({ line, rule }) => `${line} ${rule}`);
}

function only({ proxies, rejected }: ParsedProxyList): Proxy {
  expect(rejected).toEqual([]);
  expect(proxies).toHaveLength(1);
  return proxies[0] as Proxy;
}

describe('text', () => {
  it('K-40 reads each line, and rejects with line, column and rule', () => {
    const list = parseProxyList(fixture('plain.txt'));
    expect(urls(list)).toEqual([
      'http://203.0.113.1:8080',
      'http://user:pa%40ss@203.0.113.2:8000',
      'socks5://203.0.113.3:1080',
      'http://user:pass@203.0.113.5:3128',
      'http://user:pass@gw.example.net:7777',
      'http://203.0.113.6:8080',
    ]);
    expect(list.rejected).toEqual([
      { line: 7, column: 27, rule: 'G5', message: 'The port is missing' },
      { line: 12, column: 13, rule: 'G5', message: 'The port is not a number from 1 to 65535' },
      { line: 13, column: 4, rule: 'G5', message: 'The port is missing' },
    ]);
  });

  it.each(['\n', '\r\n', '\r'])('splits lines at %j', (end) => {
    const list = parseProxyList(['203.0.113.1:80', '', 'x', '203.0.113.2:80'].join(end));
    expect(urls(list)).toEqual(['http://203.0.113.1:80', 'http://203.0.113.2:80']);
    expect(rules(list)).toEqual(['3 G5']);
  });

  it('gives nothing for nothing', () => {
    for (const input of ['', '\n \n', '# only a comment\n', new Uint8Array()])
      expect(parseProxyList(input)).toEqual({ proxies: [], rejected: [] });
  });

  it('G2 rejects one long line and keeps the others', () => {
    const list = parseProxyList(`203.0.113.1:80\n${'x'.repeat(1_000_000)}\n203.0.113.2:80`);
    expect(list.proxies).toHaveLength(2);
    expect(rules(list)).toEqual(['2 G2']);
  });
});

describe('bytes', () => {
  const text = 'http://user:pässword@203.0.113.1:80\n203.0.113.2:80\n';
  const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');
  it.each<[string, Uint8Array]>([
    ['UTF-8', Buffer.from(text)],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${text}`)],
    ['UTF-16LE', utf16],
    ['UTF-16BE', Buffer.from(utf16).swap16()],
  ])('reads %s', (_, bytes) => {
    const list = parseProxyList(bytes);
    expect(urls(list)).toEqual(['http://user:p%C3%A4ssword@203.0.113.1:80', 'http://203.0.113.2:80']);
    expect(list.rejected).toEqual([]);
  });

  it('G13 rejects a password in another encoding instead of altering it', () => {
    const list = parseProxyList(Buffer.from(text, 'latin1'));
    expect(urls(list)).toEqual(['http://203.0.113.2:80']);
    expect(rules(list)).toEqual(['1 G13']);
  });
});

describe('duplicates', () => {
  it('collapse into the first, which keeps its metadata and gains what it lacks', () => {
    const list = parseProxyList(
      JSON.stringify([
        { host: '203.0.113.1', port: 80, tags: ['first'] },
        { host: '203.0.113.2', port: 80 },
        { host: '203.0.113.1', port: 80, tags: ['second'], country: 'DE', cost: 2 },
        '203.0.113.1:80',
      ]),
    );
    expect(list.proxies).toHaveLength(2);
    expect(list.proxies[0]).toMatchObject({
      host: '203.0.113.1',
      tags: ['first'],
      geo: { countryCode: 'DE' },
      cost: 2,
    });
    expect(list.rejected).toEqual([]);
  });

  it('are none when only the credentials differ', () => {
    expect(parseProxyList('u-1:p@203.0.113.1:80\nu-2:p@203.0.113.1:80').proxies).toHaveLength(2);
  });
});

describe('JSON', () => {
  it('R-06 reads GeoNode, a proxy for each protocol, https being HTTP', () => {
    const list = parseProxyList(fixture('geonode.json'));
    expect(urls(list)).toEqual([
      'socks4://198.51.100.10:4145',
      'http://198.51.100.11:8080',
      'socks5://198.51.100.11:8080',
      'http://198.51.100.13:443',
    ]);
    expect(list.proxies[0]?.geo).toEqual({ countryCode: 'DE', city: 'Berlin', asn: 64_496 });
    expect(list.proxies[2]?.geo).toEqual({ countryCode: 'FR', city: 'Paris', asn: 64_497 });
    expect(list.proxies[3]).not.toHaveProperty('geo');
    expect(rules(list)).toEqual(['27 missing-port']);
  });

  it('R-06 reads ProxyScrape', () => {
    const list = parseProxyList(fixture('proxyscrape.json'));
    expect(urls(list)).toEqual(['http://192.0.2.20:80', 'socks4://192.0.2.21:1080']);
    expect(list.proxies[0]?.geo).toEqual({
      countryCode: 'BR',
      countryName: 'Brazil',
      region: 'São Paulo',
      city: 'São Paulo',
      latitude: -23.5,
      longitude: -46.6,
      timezone: 'America/Sao_Paulo',
      asn: 64_500,
    });
  });

  it('R-06 reads Proxifly, where a URL says TLS to the proxy', () => {
    const list = parseProxyList(fixture('proxifly.json'));
    expect(urls(list)).toEqual(['http://203.0.113.30:8080', 'https://203.0.113.31:8443']);
    expect(list.proxies.map(({ geo }) => geo)).toEqual([{ countryCode: 'US' }, { city: 'Lyon' }]);
  });

  it.each<[string, unknown, string]>([
    ['a text', '203.0.113.1:80', 'http://203.0.113.1:80'],
    [
      'fields',
      { protocol: 'socks5', host: '203.0.113.1', port: 1, username: 'u', password: 'p' },
      'socks5://u:p@203.0.113.1:1',
    ],
    [
      'a numeric password',
      { host: 'h.example', port: '1', user: 'u', pass: 123 },
      'http://u:123@h.example:1',
    ],
    ['empty credentials', { host: 'h.example', port: 1, username: '', password: '' }, 'http://h.example:1'],
    [
      'raw fields are not decoded',
      { host: 'h.example', port: 1, username: 'u', password: '%41' },
      'http://u:%2541@h.example:1',
    ],
    ['url', { url: 'socks4://203.0.113.1:1' }, 'socks4://203.0.113.1:1'],
    ['url with credentials', { url: 'http://u:p@203.0.113.1:1' }, 'http://u:p@203.0.113.1:1'],
    [
      'Playwright',
      { server: 'http://203.0.113.1:1', username: 'u', password: 'p' },
      'http://u:p@203.0.113.1:1',
    ],
    [
      'axios',
      { protocol: 'http', host: '203.0.113.1', port: 1, auth: { username: 'u', password: 'p' } },
      'http://u:p@203.0.113.1:1',
    ],
    [
      'Webshare',
      { proxy_address: '203.0.113.1', port: 1, username: 'u', password: 'p', valid: true },
      'http://u:p@203.0.113.1:1',
    ],
    ['a port beside a URL', { server: 'http://h.example', port: 8080 }, 'http://h.example:8080'],
    [
      'a URL about the proxy',
      { url: 'https://list.example/1', ip: '203.0.113.1', port: 1 },
      'http://203.0.113.1:1',
    ],
    ['IPv6', { ip: '2001:db8::1', port: 1 }, 'http://[2001:db8::1]:1'],
    ['a flag named proxy', { proxy: true, ip: '203.0.113.1', port: 1 }, 'http://203.0.113.1:1'],
    ['type', { ip: '203.0.113.1', port: 1, type: 'SOCKS5' }, 'socks5://203.0.113.1:1'],
    ['type with the anonymity', { ip: '203.0.113.1', port: 1, type: 'elite' }, 'http://203.0.113.1:1'],
    ['ipPort', { ipPort: '203.0.113.1:1' }, 'http://203.0.113.1:1'],
  ])('reads %s', (_, record, url) => {
    expect(proxyUrl(only(parseProxyList(JSON.stringify([record]), { format: 'json' })))).toBe(url);
  });

  it('R-06 reads MaxMind shaped geo data', () => {
    const geolocation = {
      city: { names: { en: 'Berlin' } },
      country: { iso_code: 'DE', names: { en: 'Germany' } },
      location: { latitude: 52.5, longitude: 13.4, time_zone: 'Europe/Berlin' },
    };
    const asn = { autonomous_system_number: 64_496 };
    const proxy = only(parseProxyList(JSON.stringify([{ host: '203.0.113.1', port: 1, geolocation, asn }])));
    expect(proxy.geo).toEqual({
      countryCode: 'DE',
      countryName: 'Germany',
      city: 'Berlin',
      latitude: 52.5,
      longitude: 13.4,
      timezone: 'Europe/Berlin',
      asn: 64_496,
    });
  });

  it('reads envelopes, single objects and lists by protocol', () => {
    expect(urls(parseProxyList('{"proxies":["203.0.113.1:80"]}'))).toEqual(['http://203.0.113.1:80']);
    expect(urls(parseProxyList('{"data":{"proxies":["203.0.113.1:80"]}}'))).toEqual([
      'http://203.0.113.1:80',
    ]);
    expect(urls(parseProxyList('{"host":"203.0.113.1","port":80}'))).toEqual(['http://203.0.113.1:80']);
    expect(
      urls(parseProxyList('{"https":["203.0.113.1:80"],"socks5":["203.0.113.2:80",{"ip":"h","port":1}]}')),
    ).toEqual(['http://203.0.113.1:80', 'socks5://203.0.113.2:80', 'socks5://h:1']);
  });

  it('names the line on which a rejected record starts', () => {
    const list = parseProxyList(
      '{\n"data": [1,\n "x", "203.0.113.1:80",\n\n {"a": ["]\\"", {}]}, {"ip":\n"h"},\nnull, []\n]\n}',
    );
    expect(rules(list)).toEqual([
      '2 unknown-shape',
      '3 G5',
      '5 missing-host',
      '5 missing-port',
      '7 unknown-shape',
      '7 unknown-shape',
    ]);
    expect(list.proxies).toHaveLength(1);
  });

  it.each<[string, string]>([
    ['[{"ip":"203.0.113.1"', '1 json-syntax'],
    ['{"ip"', '1 json-syntax'],
    ['{}', '1 unknown-shape'],
    ['{"error":"no"}', '1 unknown-shape'],
  ])('rejects %s', (text, expected) => {
    expect(
      rules(parseProxyList(text, { format: 'json' })).map((row) =>
        row.replace('missing-host', 'unknown-shape'),
      ),
    ).toEqual([expected]);
  });

  it('rejects an unknown protocol, a bad port, and a password that was redacted before', () => {
    const records = [
      { ip: 'h', port: 1, protocol: 'vmess' },
      { ip: 'h', port: 'eighty' },
      { ip: 'h', port: 70_000 },
      { ip: 'h', port: 1, username: 'u', password: '[redacted]' },
      { ip: '1.2.3', port: 1 },
      { ip: 'h', port: 1, protocol: 'socks4', username: 'u', password: 'p' },
    ];
    const found = parseProxyList(records.map((record) => JSON.stringify(record)).join('\n'));
    expect(rules(found)).toEqual(['1 G4', '2 G5', '3 G5', '4 redacted-password', '5 G6', '6 G13']);
  });

  it('survives a document of brackets', () => {
    expect(parseProxyList('['.repeat(200_000)).rejected).toHaveLength(1);
    const deep = `[${'['.repeat(5_000)}${']'.repeat(5_000)},"203.0.113.1:80"]`;
    expect(parseProxyList(deep).proxies).toHaveLength(1);
  });
});

describe('JSONL', () => {
  it('K-40 reads each line, and names the line of each that it cannot read', () => {
    const list = parseProxyList(fixture('mixed.jsonl'));
    expect(urls(list)).toEqual([
      'http://203.0.113.40:8080',
      'socks5://203.0.113.42:1080',
      'http://user:c4n4ry@203.0.113.44:3128',
    ]);
    expect(rules(list)).toEqual(['5 json-syntax', '7 missing-port', '8 unknown-shape']);
  });

  it('is recognised behind a torn first line', () => {
    const list = parseProxyList('{"host":"203\n{"host":"203.0.113.1","port":80}\n');
    expect(urls(list)).toEqual(['http://203.0.113.1:80']);
    expect(rules(list)).toEqual(['1 json-syntax']);
  });
});

describe('CSV', () => {
  it('K-40 reads any order of columns, a mark, CRLF, quotes and semicolons', () => {
    const list = parseProxyList(fixture('semicolon.csv'));
    expect(urls(list)).toEqual([
      'http://user:c4n4ry%3B1%222@203.0.113.50:8080',
      'socks5://203.0.113.51:1080',
    ]);
    expect(list.proxies[0]?.geo).toEqual({ countryCode: 'DE' });
    expect(rules(list)).toEqual(['6 missing-port']);
  });

  it.each<[string, string]>([
    ['commas', 'ip,port,country\n203.0.113.1,80,DE\n'],
    ['tabs', 'Country\tIP\tPort\nDE\t203.0.113.1\t80\n'],
    ['quotes', '"IP Address","Port","Code"\n"203.0.113.1","80","DE"\n'],
    ['no header', '"203.0.113.1","80","DE"\n'],
    ['a URL column', 'proxy,country\nhttp://203.0.113.1:80,DE'],
    ['a URL without a header', '"http://203.0.113.1:80","DE"'],
    ['a repeated header', 'ip,port,cc\n203.0.113.1,80,DE\nip,port,cc\n'],
  ])('reads %s', (_, text) => {
    const proxy = only(parseProxyList(text));
    expect(proxyUrl(proxy)).toBe('http://203.0.113.1:80');
    expect(proxy.geo).toEqual({ countryCode: 'DE' });
  });

  it('reads rows without a header like lines with columns', () => {
    const list = parseProxyList('203.0.113.1,80,socks5\n203.0.113.2,proxy\nu:p,q@203.0.113.3:80\n', {
      format: 'csv',
    });
    expect(urls(list)).toEqual(['socks5://203.0.113.1:80', 'http://u:p%2Cq@203.0.113.3:80']);
    expect(rules(list)).toEqual(['2 G5']);
  });

  it('loses only the row of a quote that is never closed', () => {
    const list = parseProxyList(
      'ip,port,user,password\n203.0.113.1,80,u,"c4n4ry\n203.0.113.2,80,,\n"203.0.113.3",80,,\n',
    );
    expect(urls(list)).toEqual(['http://203.0.113.2:80', 'http://203.0.113.3:80']);
    expect(rules(list)).toEqual(['2 csv-quote']);
  });

  it('keeps the rows that a quote over several lines would swallow', () => {
    const list = parseProxyList('ip,port,note\n203.0.113.1,80,"a\n203.0.113.2,80,b"\n203.0.113.3,80,c\n');
    expect(urls(list)).toEqual(['http://203.0.113.2:80', 'http://203.0.113.3:80']);
    expect(rules(list)).toEqual(['2 csv-quote']);
  });

  it('G11 rejects a second proxy behind a URL', () => {
    expect(rules(parseProxyList('http://203.0.113.1:80,http://203.0.113.2:80', { format: 'csv' }))).toEqual([
      '1 G11',
    ]);
  });
});

describe('HTML', () => {
  it('K-40 reads the rows of a proxy table, and nothing else on the page', () => {
    const list = parseProxyList(fixture('free-proxy-list.html'));
    expect(urls(list)).toEqual([
      'http://203.0.113.60:80',
      'http://203.0.113.61:3128',
      'http://203.0.113.63:8080',
    ]);
    expect(list.proxies[0]?.geo).toEqual({ countryCode: 'DE', countryName: 'Germany' });
    expect(list.proxies[1]?.geo).toEqual({ countryCode: 'GB', countryName: 'United Kingdom' });
    expect(rules(list)).toEqual(['12 missing-port']);
  });

  it('reads the version column of a SOCKS list, nested tables, and rows without a header', () => {
    const socks = '<table><tr><th>IP Address<th>Port<th>Version<tr><td>203.0.113.1<td>1080<td>Socks4</table>';
    expect(urls(parseProxyList(socks))).toEqual(['socks4://203.0.113.1:1080']);
    expect(urls(parseProxyList(`<table><tr><td>${socks}</td></tr></table>`))).toEqual([
      'socks4://203.0.113.1:1080',
    ]);
    const bare =
      '<table><tr><td>203.0.113.1</td><td>80</td><td>DE</td></tr><tr><td>203.0.113.2:81</td></tr></table>';
    expect(urls(parseProxyList(bare))).toEqual(['http://203.0.113.1:80', 'http://203.0.113.2:81']);
  });

  it('says so when there is no table', () => {
    expect(rules(parseProxyList('<html><body>Just a moment...</body></html>'))).toEqual(['1 html-no-table']);
  });

  it.each([
    '<',
    '<table><tr><td>',
    '<!--',
    '<script>',
    '<script></',
    '<a b="',
    "<td x='>",
    '</',
    '<table>',
    '&#1;',
    '<td>&#99999999;',
  ])('takes %j over and over', (piece) => {
    expect(parseProxyList(piece.repeat(50_000), { format: 'html' }).proxies).toEqual([]);
  });
});

describe('auto', () => {
  it.each<[string, string]>([
    ['IPv6 text', '[2001:db8::1]:80'],
    ['text in angle brackets', '<http://203.0.113.1:80>'],
    ['a bare host in angle brackets', '<proxy.example:80>'],
    ['text in quotes', '"http://203.0.113.1:80",'],
    ['text with columns', '203.0.113.1,80,DE'],
    ['a commented list', '# {"not":"json"}\n203.0.113.1:80'],
    ['a JSON text array', '\n [ "203.0.113.1:80" ]'],
    ['JSON lines of texts', '"203.0.113.1:80"'],
  ])('recognises %s', (_, text) => {
    expect(parseProxyList(text)).toMatchObject({ proxies: [expect.anything()], rejected: [] });
  });

  it('takes a headline in brackets for text', () => {
    const list = parseProxyList('[my proxies]\n203.0.113.1:80');
    expect(rules(list)).toEqual(['1 G6']);
    expect(list.proxies).toHaveLength(1);
  });
});

it('Q-04 no rejected row shows a credential, in any format', () => {
  const canary = 'c4n4ry';
  const inputs = [
    `u:${canary}@203.0.113.1:99999`,
    `{"url":"http://u:${canary}@203.0.113.1:99999"}\n{"password":"${canary}"}\n{"password":"${canary}"`,
    `["u:${canary}@h", {"user":"u","password":"${canary}","port":1}]`,
    `["${canary}`,
    `ip,port,user,password\n203.0.113.1,,u,${canary}\n203.0.113.1,1,u,"${canary}\n`,
    `<table><tr><th>Proxy</th></tr><tr><td>http://u:${canary}@h:0</td></tr></table>`,
  ];
  for (const input of inputs) {
    const list = parseProxyList(input);
    expect(list.rejected.length).toBeGreaterThan(0);
    expect(JSON.stringify(list)).not.toContain(canary);
    expect(inspect(list, { depth: 9, showHidden: true })).not.toContain(canary);
  }
});
