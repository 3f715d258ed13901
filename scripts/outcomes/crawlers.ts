import { createHash, X509Certificate } from 'node:crypto';
import {
  CheerioCrawler,
  Configuration,
  LogLevel,
  log,
  PlaywrightCrawler,
  type ProxyConfiguration,
  SessionError,
} from 'crawlee';
import { chromium } from 'playwright';
import { type CrawleeRequest, requestState, watchRequest } from '../../src/integrations/crawlee-watch.js';
import { labCertificatePem } from '../../src/lab/index.js';
import type { Phase } from '../../src/transport/classify.js';
import { findChromium } from '../chromium.js';
import type { SeenReply, Shown } from './case.js';
import type { Client } from './plain-clients.js';
import { toReply } from './reply.js';
import { serializeError } from './serial-error.js';
import type { Stage } from './stage.js';

interface Context {
  readonly request: { readonly loadedUrl?: string | undefined };
  readonly response?: unknown;
  readonly body?: unknown;
  readonly page?: { content(): Promise<string>; close(): Promise<void> };
}

/** What is seen of one attempt from outside: from its Request, and from hooks. */
class Witness {
  readonly #stage: Stage;
  #phase: Phase = 'start';
  #context: Context | undefined;
  #error: { readonly error: unknown } | undefined;
  #body: string | undefined;
  #ended = false;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  watch(request: CrawleeRequest): void {
    watchRequest(request, {
      onState: (state) => {
        if (this.#ended) return;
        if (state === requestState.beforeNav) this.#phase = 'navigation';
        else if (state === requestState.afterNav) this.#phase = 'answered';
        else if (state === requestState.requestHandler) this.#phase = 'handler';
        else if (state === requestState.done) this.#ended = true;
      },
      onError: (error) => {
        if (!this.#ended) this.#error = { error };
        this.#ended = true;
      },
    });
  }

  /** Crawlee fills the context in place, so that it can be looked at after the end. */
  navigating(context: Context): void {
    this.#context = context;
    if (this.#stage.plan.situation.act === 'abort') setTimeout(() => void context.page?.close(), 300);
  }

  async handling(context: Context): Promise<void> {
    this.#body = context.page === undefined ? String(context.body ?? '') : await context.page.content();
    switch (this.#stage.plan.situation.act) {
      case 'throw':
        throw new TypeError("Cannot read properties of undefined (reading 'title')");
      case 'session-error':
        throw new SessionError('The page asks for a login');
      case 'handler-timeout':
        return new Promise(() => {});
      default:
    }
  }

  shown(): Shown {
    const reply = this.#reply();
    return {
      phase: this.#phase,
      ...(reply !== undefined && { reply }),
      ...(this.#error !== undefined && { error: serializeError(this.#error.error, this.#stage.clean) }),
    };
  }

  #reply(): SeenReply | undefined {
    const response = this.#context?.response as
      | { statusCode?: number; headers?: object | (() => object); status?: () => number }
      | undefined;
    const status = typeof response?.status === 'function' ? response.status() : response?.statusCode;
    if (response === undefined || status === undefined) return undefined;
    const headers = typeof response.headers === 'function' ? response.headers() : response.headers;
    return toReply(
      {
        status,
        headers: Object.entries(headers ?? {}),
        url: this.#stage.url,
        finalUrl: this.#context?.request.loadedUrl,
        body: this.#body,
      },
      this.#stage.clean,
    );
  }
}

function options(stage: Stage, witness: Witness) {
  const { hostname, port, username, password } = new URL(stage.proxyUrl);
  const info = { url: stage.proxyUrl, hostname, port, username, password };
  const proxyConfiguration = {
    isManInTheMiddle: false,
    newProxyInfo: (_session: unknown, given?: { request?: CrawleeRequest }) => {
      if (given?.request !== undefined) witness.watch(given.request);
      return Promise.resolve(info);
    },
    newUrl: () => Promise.resolve(stage.proxyUrl),
  } as unknown as ProxyConfiguration;
  return {
    proxyConfiguration,
    maxRequestRetries: 0,
    maxSessionRotations: 0,
    maxConcurrency: 1,
    requestHandlerTimeoutSecs: stage.plan.situation.act === 'handler-timeout' ? 1 : 20,
    preNavigationHooks: [async (context: object) => witness.navigating(context as Context)],
    requestHandler: (context: object) => witness.handling(context as Context),
  };
}

const storeless = (): Configuration => new Configuration({ persistStorage: false });

export const cheerioClient: Client = async (stage) => {
  log.setLevel(LogLevel.OFF);
  const witness = new Witness(stage);
  const crawler = new CheerioCrawler(
    {
      ...options(stage, witness),
      navigationTimeoutSecs: 1,
      // As a browser does it, so that a bad certificate is one.
      ignoreSslErrors: false,
      additionalMimeTypes: ['application/json'],
    },
    storeless(),
  );
  await crawler.run([stage.url]);
  await crawler.teardown();
  return witness.shown();
};

/** Trusts the key of the lab and no other, without a store of certificates. */
const trustsLab = (): string => {
  const key = new X509Certificate(labCertificatePem).publicKey.export({ type: 'spki', format: 'der' });
  return `--ignore-certificate-errors-spki-list=${createHash('sha256').update(key).digest('base64')}`;
};

export const playwrightClient: Client = async (stage) => {
  log.setLevel(LogLevel.OFF);
  const { executablePath, args } = await findChromium();
  const witness = new Witness(stage);
  const crawler = new PlaywrightCrawler(
    {
      ...options(stage, witness),
      headless: true,
      navigationTimeoutSecs: 3,
      browserPoolOptions: { useFingerprints: false },
      launchContext: { launcher: chromium, launchOptions: { executablePath, args: [...args, trustsLab()] } },
    },
    storeless(),
  );
  await crawler.run([stage.url]);
  await crawler.teardown();
  return witness.shown();
};

export async function chromiumVersion(): Promise<string> {
  const { executablePath, args } = await findChromium();
  const browser = await chromium.launch({ executablePath, args });
  try {
    return `Chromium ${browser.version()}`;
  } finally {
    await browser.close();
  }
}
