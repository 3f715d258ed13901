import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory } from './private-directory.js';
import { replaceFile } from './replace-file.js';
import type { WallTime } from './tier.js';

/** Plain JSON about one source; `ageMs` is how old it is, the rest is not read here. */
export interface SourceNote {
  readonly ageMs: number;
}

const VERSION = 1;
/** What was not written for so long is about a source that is not used any more, in ms. */
const FORGOTTEN_MS = 7 * 86_400_000;

interface Kept {
  readonly at: number;
  readonly note: SourceNote;
}

/**
 * When each source was asked last, beside the tiers: `sources.json`. Without it the next run asks again, so whatever
 * is wrong with it is no error.
 */
export class SourceFile {
  readonly #dir: string;
  readonly #now: WallTime;

  constructor(dir: string, now: WallTime) {
    this.#dir = dir;
    this.#now = now;
  }

  /** By the name of the source; `ageMs` as of now. */
  async read(): Promise<Record<string, SourceNote>> {
    const now = this.#now();
    const kept = Object.entries(await this.#read());
    return Object.fromEntries(
      // After a clock was set back nobody knows how old it is.
      kept.flatMap(([name, { at, note }]) =>
        at > now ? [] : [[name, { ...note, ageMs: note.ageMs + now - at }]],
      ),
    );
  }

  /**
   * Takes the place of what was kept of these sources; other programs may have kept others.
   * @param at when the notes were made, in ms since 1970
   * @throws CacheStorageError and the errors of `node:fs`
   */
  async write(notes: Readonly<Record<string, SourceNote>>, at: number): Promise<void> {
    const now = this.#now();
    const others = Object.entries(await this.#read()).filter(([, { at }]) => now - at < FORGOTTEN_MS);
    const own = Object.entries(notes).map(([name, note]) => [name, { at, note }] as const);
    const text = JSON.stringify({ v: VERSION, sources: Object.fromEntries([...others, ...own]) });
    await makePrivateDirectory('sources', this.#dir);
    await replaceFile(this.#path, text);
  }

  get #path(): string {
    return join(this.#dir, 'sources.json');
  }

  async #read(): Promise<Record<string, Kept>> {
    try {
      const { v, sources } = JSON.parse(await readFile(this.#path, 'utf8'));
      if (v !== VERSION) return {};
      return Object.fromEntries(Object.entries(sources as object).filter(([, kept]) => isKept(kept)));
    } catch {
      return {};
    }
  }
}

function isKept(kept: Partial<Kept> | null): boolean {
  return Number.isFinite(kept?.at) && Number.isFinite(kept?.note?.ageMs);
}
