import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../src/errors.js';
import { optionNames, resolveOptions } from '../src/options.js';
import { allTableRows, readPages, snippetsOf, typeErrors } from './support/doc-pages.js';
import { readManifest } from './support/packed-package.js';
import { readSources } from './support/source-imports.js';

const pages = readPages();
const manifest = await readManifest();

describe('code in README.md and docs/', () => {
  const snippets = [...pages].flatMap(([page, text]) => snippetsOf(page, text));

  it('names the language of every block', () => {
    expect(snippets.filter(({ language }) => language === '').map(({ where }) => where)).toEqual([]);
  });

  it('type-checks: every ts block', () => {
    const examples = snippets.filter(({ language }) => ['ts', 'typescript'].includes(language));
    expect(examples.length).toBeGreaterThan(0);
    expect(typeErrors(examples, manifest.exports)).toEqual([]);
  });

  it('reports a wrong example', () => {
    const wrong = { where: 'here', language: 'ts', code: `import { nothing } from 'proxywhirl';` };
    expect(typeErrors([wrong], manifest.exports)).toHaveLength(1);
  });

  it('names npm scripts that exist', () => {
    const named = [...pages.values()].flatMap((text) =>
      [...text.matchAll(/npm run ([\w:-]+)/g)].map((m) => m[1]),
    );
    expect(named.filter((name) => !(name && name in manifest.scripts))).toEqual([]);
  });
});

describe('links in README.md and docs/', () => {
  it('lead to files that exist', () => {
    const broken = [...pages].flatMap(([page, text]) =>
      [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !existsSync(join(dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).toEqual([]);
  });
});

describe('the options tables of README.md', () => {
  const documented = new Map(
    allTableRows(pages.get('README.md') ?? '', ['option', 'default']).map(([name, value]) => [
      unquoted(name),
      unquoted(value),
    ]),
  );
  const defaults = resolveOptions({ proxies: ['http://203.0.113.7:8000'], cache: true }) as unknown;

  it('name every option that exists, and no other', () => {
    expect([...documented.keys()].sort()).toEqual(optionNames().sort());
  });

  it('give the defaults that are in force', () => {
    const actual = optionNames().flatMap((name) => {
      const value = name
        .split('.')
        .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], defaults);
      // A default that is a function or a list is described in words.
      return ['number', 'string', 'boolean'].includes(typeof value) ? [[name, String(value)]] : [];
    });
    expect(actual.map(([name]) => [name, documented.get(String(name))])).toEqual(actual);
  });
});

describe('docs/errors.md', () => {
  const rows = allTableRows(pages.get('docs/errors.md') ?? '', [
    'code',
    'class',
    'http status',
    'meaning',
    'what to do',
  ]);
  it('lists the codes of src/errors.ts in their order, with status and meaning', () => {
    const documented = rows.map(([code, , status, meaning]) => [unquoted(code), Number(status), meaning]);
    expect(documented).toEqual(
      Object.entries(errorCodes).map(([code, row]) => [code, row.status, row.meaning]),
    );
  });

  it('names the class that carries each code', () => {
    const classes = Object.fromEntries(rows.map(([code, name]) => [unquoted(code), unquoted(name)]));
    expect(classes).toEqual(classOfCode());
  });

  it('says for each code what to do', () => {
    for (const [code, , , , advice] of rows) expect(advice, code).toMatch(/^[A-Z].{15,}\.$/);
  });
});

describe('the text of the repository', () => {
  const texts = ['.', 'src', 'test', 'docs', 'scripts', 'examples', 'bench', '.ci', '.github']
    .flatMap((folder) => filesOf(folder, folder !== '.'))
    .map((name) => ({ name, lines: readFileSync(name, 'utf8').split('\n') }));
  const linesWith = (pattern: RegExp): string[] =>
    texts.flatMap(({ name, lines }) =>
      lines.flatMap((line, i) => (pattern.test(line) ? [`${name}:${i + 1}: ${line.trim()}`] : [])),
    );

  it('names no path of somebody’s machine', () => {
    expect(linesWith(/(?<![\w.*/-])\/(?:work|root|home|Users)\/\w/)).toEqual([]);
  });

  it('leaves no work for later in comments', () => {
    expect(linesWith(/\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b/)).toEqual([]);
  });

  it('refers to no page that a reader cannot open', () => {
    const absent = texts.flatMap(({ name, lines }) =>
      lines.flatMap((line, i) =>
        [...line.matchAll(/(?<![\w/.:-])((?:[\w.-]+\/)*[\w-]+\.md)\b/g)]
          .map((match) => match[1] ?? '')
          .filter(
            (page) => ![page, join('docs', page), join(dirname(name), page)].some((path) => existsSync(path)),
          )
          .map((page) => `${name}:${i + 1}: ${page}`),
      ),
    );
    expect(absent).toEqual([]);
  });
});

/** `'fail'` -> fail, `10_000` -> 10000 */
function unquoted(cell: string | undefined): string {
  return (cell ?? '').replace(/[`'"]/g, '').replace(/(?<=\d)[_,](?=\d)/g, '');
}

function filesOf(folder: string, recursive: boolean): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive, encoding: 'utf8' })
    .map((name) => posix.join(folder, name.split('\\').join('/')))
    .filter((name) => !name.includes('node_modules/'))
    .filter((name) => (/\.(ts|mjs|md|ya?ml)$/.test(name) || name === '.ci/run') && statSync(name).isFile());
}

/** Code -> the class whose constructor hands it to `super`; a code without one is thrown as the base class. */
function classOfCode(): Record<string, string> {
  const classes: Record<string, string> = {};
  for (const code of Object.keys(errorCodes)) classes[code] = 'ProxyWhirlError';
  for (const text of readSources('src').values()) {
    for (const [, name, body] of text.matchAll(/^export class (\w+) extends ProxyWhirlError \{(.*?)^\}/gms)) {
      const code = body?.match(/super\(\s*'(PW_\w+)'/)?.[1];
      if (name && code) classes[code] = name;
      // A class for a family of codes has them in a table of its own file.
      if (name && !code)
        for (const [family] of text.matchAll(/^ {2}PW_\w+(?=: ')/gm)) classes[family.trim()] = name;
    }
  }
  return classes;
}
