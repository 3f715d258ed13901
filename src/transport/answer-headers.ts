/** Headers as Node, undici, Playwright and Crawlee have them, or a function such as that of `Headers.get`. */
export type HeadersLike =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | ((name: string) => string | null);

/** Headers of an answer, read by name in lower case. */
export class AnswerHeaders {
  readonly #get: (name: string) => string | null;
  #cookies: string | undefined;

  constructor(headers: HeadersLike) {
    if (typeof headers === 'function') {
      this.#get = headers;
      return;
    }
    const byName = new Map<string, string>();
    for (const [name, value] of Object.entries(headers)) {
      if (value === undefined || value === null) continue;
      byName.set(name.toLowerCase(), Array.isArray(value) ? value.join(', ') : String(value));
    }
    this.#get = (name) => byName.get(name) ?? null;
  }

  get(name: string): string | null {
    return this.#get(name);
  }

  /** `name` is there, or `name: value` is there with this in its value, in lower case. */
  has(sign: string): boolean {
    const colon = sign.indexOf(': ');
    if (colon < 0) return this.#get(sign) !== null;
    return (
      this.#get(sign.slice(0, colon))
        ?.toLowerCase()
        .includes(sign.slice(colon + 2)) === true
    );
  }

  /** Whether a cookie is set whose name begins so, or is this whole with a `=` at its end. */
  setsCookie(name: string): boolean {
    this.#cookies ??= `, ${this.#get('set-cookie') ?? ''}`.toLowerCase().replaceAll('\n', ', ');
    return this.#cookies.includes(`, ${name}`);
  }
}
