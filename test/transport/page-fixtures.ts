import { readdirSync, readFileSync } from 'node:fs';
import type { SeenAnswer } from '../../src/transport/block-page.js';

/** An answer that is kept under `fixtures/`. */
export interface PageFixture {
  readonly file: string;
  /** Why it is kept. */
  readonly note: string;
  readonly answer: SeenAnswer;
  /** The rule that must find it, or that it nearly fits. */
  readonly rule: string;
}

type Stored = Omit<SeenAnswer, 'body'> & {
  readonly note: string;
  readonly rule?: string;
  readonly near?: string;
  readonly body: readonly string[];
};

export function readPages(folder: 'ban-pages' | 'benign-pages'): readonly PageFixture[] {
  const at = new URL(`../../fixtures/${folder}/`, import.meta.url);
  return readdirSync(at)
    .sort()
    .map((file) => {
      const { note, rule, near, body, ...answer } = JSON.parse(
        readFileSync(new URL(file, at), 'utf8'),
      ) as Stored;
      return { file, note, answer: { ...answer, body: body.join('\n') }, rule: rule ?? near ?? '' };
    });
}
