import { once } from 'node:events';
import { styleText } from 'node:util';
import { type Bar, startBar } from './bar.js';
import { printable } from './safe-text.js';
import { renderTable } from './table.js';

type Colour = 'green' | 'red' | 'yellow' | 'dim' | 'bold';

export interface TerminalParts {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where a command writes: data to stdout, all else to stderr. Colours and bars are for terminals only. */
export class Terminal {
  readonly #parts: TerminalParts;

  constructor(parts: TerminalParts) {
    this.#parts = parts;
  }

  /** Data; resolves when there is room for more. */
  async write(text: string | Uint8Array): Promise<void> {
    const { stdout } = this.#parts;
    if (!stdout.write(text)) await once(stdout, 'drain');
  }

  async json(value: unknown): Promise<void> {
    await this.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  async table(head: readonly string[], rows: Iterable<readonly string[]>): Promise<void> {
    for (const block of renderTable(head, rows, (text) => this.#paint(this.#parts.stdout, 'dim', text)))
      await this.write(block);
  }

  note(text: string): void {
    this.#parts.stderr.write(`${text}\n`);
  }

  warn(text: string): void {
    this.note(`${this.#paint(this.#parts.stderr, 'yellow', 'warning:')} ${printable(text)}`);
  }

  fail(text: string): void {
    this.note(`${this.#paint(this.#parts.stderr, 'red', 'proxywhirl:')} ${text}`);
  }

  /** Whether somebody watches: else a bar would fill a log. */
  get isWatched(): boolean {
    return this.#parts.stderr.isTTY === true;
  }

  bar(total: number, unit: string): Bar {
    return startBar(this.isWatched ? this.#parts.stderr : null, total, unit);
  }

  #paint(stream: NodeJS.WriteStream, colour: Colour, text: string): string {
    const { NO_COLOR, TERM } = this.#parts.env;
    // https://no-color.org: any value but the empty one.
    const plain = stream.isTTY !== true || (NO_COLOR !== undefined && NO_COLOR !== '') || TERM === 'dumb';
    return plain ? text : styleText(colour, text, { validateStream: false });
  }
}
