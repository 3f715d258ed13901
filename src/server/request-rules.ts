import { ApiError } from './api-error.js';
import type { ResolvedApiOptions } from './api-options.js';
import type { ApiRequest } from './api-request.js';

/** Names of this machine for itself. Whoever comes by another one was led here by a name of somebody else. */
const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

/**
 * What keeps web pages out, on loopback too: a page can send a browser's requests anywhere (CSRF), and by a name of
 * its own that resolves to this machine it could even read the answers (DNS rebinding).
 */
export class RequestRules {
  readonly #hosts: Set<string>;
  readonly #origins: ReadonlySet<string>;

  constructor({ hosts, origins }: Pick<ResolvedApiOptions, 'hosts' | 'origins'>) {
    this.#hosts = new Set([...loopbackNames, ...hosts]);
    this.#origins = new Set(origins);
  }

  /** Answers for this one as well, without port; for the address that a server listens at. */
  addHost(name: string): void {
    this.#hosts.add(name);
  }

  /**
   * @returns the origin that gets CORS headers; null where there is none
   * @throws ApiError HOST_REFUSED, ORIGIN_REFUSED
   */
  check(request: ApiRequest): string | null {
    const host = request.header('host') ?? '';
    if (!this.#hosts.has(withoutPort(host))) throw new ApiError('HOST_REFUSED');
    const origin = request.header('origin');
    const site = request.header('sec-fetch-site');
    if (origin === null) {
      if (site === null || site === 'same-origin' || site === 'none') return null;
      throw new ApiError('ORIGIN_REFUSED');
    }
    if (this.#origins.has(origin)) return origin;
    // The reference page of this very server.
    if (origin === `http://${host}` && (site === null || site === 'same-origin')) return null;
    throw new ApiError('ORIGIN_REFUSED');
  }
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}
