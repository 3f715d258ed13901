import { describe, expect, it } from 'vitest';
import { parseProxy } from '../../src/core/parse.js';
import { isTargetCertificateFault } from '../../src/transport/certificate-fault.js';
import { TunnelError, type TunnelFault } from '../../src/transport/tunnel-error.js';
import { startWorld } from './fetch-world.js';

const coded = (code: string, message = 'as it may be'): Error => Object.assign(new Error(message), { code });
const tunnel = (phase: 'tls' | 'proxy-tls', fault: TunnelFault): TunnelError =>
  new TunnelError(parseProxy('https://192.0.2.1:8000'), phase, fault);
const selfSigned = coded('DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate');

describe('row 11 a bad certificate inside the tunnel', () => {
  it.each([
    'CERT_HAS_EXPIRED',
    'CERT_NOT_YET_VALID',
    'CERT_SIGNATURE_FAILURE',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ])('is known by the code %s, at any depth', (code) => {
    expect(isTargetCertificateFault(coded(code), 'http')).toBe(true);
    const wrapped = new Error('request failed', { cause: new Error('fetch failed', { cause: coded(code) }) });
    expect(isTargetCertificateFault(wrapped, 'socks5')).toBe(true);
  });

  it.each(['AUTHORITY_INVALID', 'COMMON_NAME_INVALID', 'DATE_INVALID'])('is net::ERR_CERT_%s', (what) => {
    const error = new Error(`page.goto: net::ERR_CERT_${what} at https://a.test/`);
    expect(isTargetCertificateFault(error, 'http')).toBe(true);
  });

  it('is the cause of our own tunnel’s error, through https proxies as well', () => {
    const fault = { code: 'PW_TARGET_TLS', verdict: 'target', cause: selfSigned } as const;
    for (const protocol of ['http', 'https', 'socks5h'] as const)
      expect(isTargetCertificateFault(tunnel('tls', fault), protocol)).toBe(true);
  });

  it.each([
    [
      'the certificate of the proxy itself',
      tunnel('proxy-tls', { code: 'PW_PROXY_TLS', verdict: 'proxy', cause: selfSigned }),
    ],
    [
      'an alert of the target',
      tunnel('tls', {
        code: 'PW_TARGET_TLS',
        verdict: 'target',
        cause: coded('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'),
      }),
    ],
    ['the certificate of the proxy, in Chromium', new Error('net::ERR_PROXY_CERTIFICATE_INVALID')],
    ['a reset', coded('ECONNRESET')],
    ['an address that looks like it', new Error('no answer from https://a.test/net::err_cert')],
    ['nothing', undefined],
    ['a text', 'CERT_HAS_EXPIRED'],
  ])('is not %s', (_what, error) => {
    expect(isTargetCertificateFault(error, 'http')).toBe(false);
  });

  it('is not said of a client that speaks TLS with the proxy too: which of the two it was, one cannot tell', () => {
    expect(isTargetCertificateFault(selfSigned, 'https')).toBe(false);
  });

  it('does not follow a circle of causes for ever', () => {
    const error = new Error('a');
    error.cause = error;
    expect(isTargetCertificateFault(error, 'http')).toBe(false);
  });
});

describe('row 11 a proxy that breaks into the encryption', () => {
  it('is away after two hosts, and the others serve on', async () => {
    await using world = await startWorld({ proxies: [{ fault: 'intercept' }, {}] });
    const { rotator, lab } = world;
    const urls = [lab.site.httpsUrl, lab.site.httpsUrl.replace('localhost', '127.0.0.1')];
    expect(new Set(urls).size).toBe(2);
    const intercepting = String(rotator.pool.list()[0]?.id);
    // Nothing was sent when the certificate turned out to be bad, so the other proxy has taken over.
    const fetchAll = async (): Promise<void> => {
      for (const url of urls.flatMap((one) => [one, one, one]))
        expect((await world.fetch(`${url}/ip`)).status).toBe(200);
    };
    await fetchAll();
    const verdicts = world.settled.filter(({ proxyId }) => proxyId === intercepting);
    expect(new Set(verdicts.map(({ verdict }) => verdict))).toEqual(new Set(['target']));
    expect(rotator.pool.list().map(({ health }) => health)).toEqual(['tls-intercept', 'closed']);
    await fetchAll();
    expect(rotator.pool.get(intercepting)?.stats.started).toBe(verdicts.length);
  });
});
