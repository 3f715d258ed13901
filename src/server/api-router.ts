import { RegExpRouter } from 'hono/router/reg-exp-router';
import { ApiError } from './api-error.js';
import type { RunRoute } from './api-route.js';

/** A route that was found, and its parameters. */
export interface FoundRoute {
  readonly run: RunRoute;
  /** Decoded. @throws ApiError VALIDATION_ERROR when an escape cannot be read */
  params(): Readonly<Record<string, string>>;
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Path and method to route. */
export class ApiRouter {
  readonly #router = new RegExpRouter<RunRoute>();

  /** @param path with parameters in braces */
  add(method: string, path: string, run: RunRoute): void {
    this.#router.add(method, path.replaceAll(/\{(.+?)\}/g, ':$1'), run);
  }

  find(method: string, path: string): FoundRoute | null {
    const [routes, stash = []] = this.#router.match(method, path);
    const route = routes[0];
    if (route === undefined) return null;
    const [run, places] = route;
    return {
      run,
      params: () =>
        Object.fromEntries(
          Object.entries(places).map(([name, place]) => [
            name,
            decode(typeof place === 'number' ? (stash[place] ?? '') : place),
          ]),
        ),
    };
  }

  /** Those that a path takes. */
  methods(path: string): string[] {
    return methods.filter((method) => this.find(method, path) !== null);
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    const details = [{ path: 'path', rule: 'has an escape that cannot be read' }];
    throw new ApiError('VALIDATION_ERROR', { details });
  }
}
