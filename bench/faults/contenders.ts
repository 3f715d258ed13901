import { proxywhirl } from 'proxywhirl';
import { ProxyAgent, fetch as undiciFetch } from 'undici';

/** How long a call may take, said in the words of each client; `null`: as long as it likes. */
export interface CallLimits {
  readonly deadlineMs: number | null;
  readonly signal: AbortSignal | null;
}

/** A client with one proxy. */
export interface Client {
  /** The status of an answer that came whole; rejects for everything else. */
  get(url: string, limits: CallLimits): Promise<number>;
  close(): Promise<void>;
}

/** Makes a client of its own for one call. */
export type Contender = (proxyUrl: string, deadlineMs: number | null) => Promise<Client>;

const ours: Contender = async (proxyUrl) => {
  const whirl = proxywhirl({ proxies: [proxyUrl] });
  return {
    async get(url, { deadlineMs, signal }) {
      const response = await whirl.fetch(url, {
        ...(deadlineMs === null ? {} : { deadlineMs }),
        ...(signal === null ? {} : { signal }),
      });
      await response.arrayBuffer();
      return response.status;
    },
    close: () => whirl.close(),
  };
};

/** With every limit that it has. */
const undiciProxyAgent: Contender = async (proxyUrl, deadlineMs) => {
  const timeout = deadlineMs === null ? {} : { timeout: deadlineMs };
  const dispatcher = new ProxyAgent({
    uri: proxyUrl,
    proxyTls: timeout,
    requestTls: timeout,
    ...(deadlineMs === null ? {} : { headersTimeout: deadlineMs, bodyTimeout: deadlineMs }),
  });
  return {
    async get(url, limits) {
      const signal = limits.deadlineMs === null ? limits.signal : AbortSignal.timeout(limits.deadlineMs);
      const response = await undiciFetch(url, { dispatcher, signal });
      await response.arrayBuffer();
      return response.status;
    },
    close: () => dispatcher.destroy(),
  };
};

/** A relay in front of the proxy, and got-scraping in front of the relay, as crawlers use it. */
const proxyChain: Contender = async (proxyUrl) => {
  const [{ Server }, { gotScraping }] = await Promise.all([import('proxy-chain'), import('got-scraping')]);
  const relay = new Server({
    host: '127.0.0.1',
    port: 0,
    prepareRequestFunction: () => ({ upstreamProxyUrl: proxyUrl }),
  });
  // What it cannot tell its client it reports here; without a listener that would end the process.
  relay.on('error', () => {});
  await relay.listen();
  return {
    async get(url, { deadlineMs, signal }) {
      const { statusCode } = await gotScraping({
        url,
        proxyUrl: `http://127.0.0.1:${relay.port}`,
        throwHttpErrors: false,
        followRedirect: false,
        useHeaderGenerator: false,
        http2: false,
        retry: { limit: 0 },
        https: { rejectUnauthorized: true },
        ...(deadlineMs === null ? {} : { timeout: { request: deadlineMs } }),
        ...(signal === null ? {} : { signal }),
      });
      return statusCode;
    },
    close: () => relay.close(true),
  };
};

export const contenders = { ours, 'undici ProxyAgent': undiciProxyAgent, 'proxy-chain': proxyChain } as const;

export type ContenderName = keyof typeof contenders;
