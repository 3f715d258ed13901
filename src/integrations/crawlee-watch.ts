/**
 * Watches the one Request that Crawlee hands to `newProxyInfo()`, for one attempt. Crawlee 3 writes the life of an
 * attempt into two public members of that object: `state` and `pushErrorMessage()`. Own properties shadow them until
 * the attempt ends, then the object is as it was. Where that is impossible nothing is reported and nothing breaks.
 */

/** The part of Crawlee's Request that is used. */
export interface CrawleeRequest {
  readonly url: string;
  readonly id?: string | undefined;
  readonly uniqueKey?: string;
  noRetry?: boolean;
  retryCount: number;
  /** One for each attempt that failed, in this process or before. */
  readonly errorMessages?: readonly string[];
  sessionRotationCount?: number;
  state: number;
  pushErrorMessage(error: unknown, options?: object): void;
}

/** Values of Crawlee's RequestState, which is not imported: the root must not load Crawlee. A test compares them. */
export const requestState = { beforeNav: 1, afterNav: 2, requestHandler: 3, done: 4 } as const;

/** Called in the order of the attempt's life; none may throw. */
export interface AttemptListener {
  onState(state: number): void;
  onError(error: unknown): void;
}

/** Starts watching; the function that comes back stops it. Undefined when the object cannot be watched. */
export function watchRequest(request: CrawleeRequest, listener: AttemptListener): (() => void) | undefined {
  const state = findAccessor(request, 'state');
  if (
    state === undefined ||
    typeof request.pushErrorMessage !== 'function' ||
    !Object.isExtensible(request)
  ) {
    return undefined;
  }
  const before = {
    state: Object.getOwnPropertyDescriptor(request, 'state'),
    pushErrorMessage: Object.getOwnPropertyDescriptor(request, 'pushErrorMessage'),
  };
  if (before.state?.configurable === false || before.pushErrorMessage?.configurable === false)
    return undefined;
  const pushErrorMessage = request.pushErrorMessage;
  Object.defineProperties(request, {
    state: {
      configurable: true,
      get: () => state.get?.call(request),
      set: (value: number) => {
        state.set?.call(request, value);
        listener.onState(value);
      },
    },
    pushErrorMessage: {
      configurable: true,
      writable: true,
      value: (error: unknown, options?: object) => {
        pushErrorMessage.call(request, error, options);
        listener.onError(error);
      },
    },
  });
  return () => {
    restore(request, 'state', before.state);
    restore(request, 'pushErrorMessage', before.pushErrorMessage);
  };
}

function restore(request: CrawleeRequest, name: string, before: PropertyDescriptor | undefined): void {
  if (before === undefined) Reflect.deleteProperty(request, name);
  else Object.defineProperty(request, name, before);
}

function findAccessor(request: object, name: string): PropertyDescriptor | undefined {
  for (let at: object | null = request; at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found !== undefined) return found.set === undefined ? undefined : found;
  }
  return undefined;
}
