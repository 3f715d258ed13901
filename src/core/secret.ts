const redacted = '[redacted]';

/**
 * A value that is only given away on request. Templates, JSON, `util.inspect`, `console.log` and spread show
 * `[redacted]` or nothing; `reveal()` is the one way to the text, so that a search for it finds every place
 * where a credential leaves the engine.
 *
 * The value lies in a native private field: no reflection, clone or matcher of a test sees it. Two secrets
 * therefore look alike to a deep comparison; compare them with `equals()`.
 */
export class Secret {
  static {
    // Not a computed method: isolated declarations cannot name one. The registered symbol needs no node:util.
    Object.defineProperty(Secret.prototype, Symbol.for('nodejs.util.inspect.custom'), {
      value: (): string => redacted,
    });
  }

  readonly #value: string;

  private constructor(value: string) {
    this.#value = value;
    Object.freeze(this);
  }

  /** Wraps `value`. An empty text is a secret as well; absence is `null`, not an empty secret. */
  static of(value: string): Secret {
    return new Secret(value);
  }

  /** The text itself. Hand it to the client that needs it and to nothing else. */
  reveal(): string {
    return this.#value;
  }

  /** Whether both hold the same text. Not constant in time: not meant for authentication. */
  equals(other: Secret | null | undefined): boolean {
    return other instanceof Secret && other.#value === this.#value;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }
}
