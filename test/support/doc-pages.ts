import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';

const root = resolve(import.meta.dirname, '../..');

export interface Snippet {
  /** `README.md:12`, the line of the fence. */
  readonly where: string;
  readonly language: string;
  readonly code: string;
}

/** README.md, CONTRIBUTING.md and the pages of docs/ and its folders, name -> text. */
export function readPages(): Map<string, string> {
  const all = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  const guides = all.map((name) => name.split('\\').join('/')).filter((name) => name.endsWith('.md'));
  const names = ['README.md', 'CONTRIBUTING.md', ...guides.map((name) => `docs/${name}`)];
  return new Map(names.map((name) => [name, readFileSync(join(root, name), 'utf8')]));
}

export function snippetsOf(page: string, text: string): Snippet[] {
  const fence = /^( *)```(\w*)[^\n]*\n(.*?)^\1```/gms;
  return [...text.matchAll(fence)].map((match) => ({
    where: `${page}:${text.slice(0, match.index).split('\n').length}`,
    language: match[2] ?? '',
    code: match[3] ?? '',
  }));
}

/** The rows of all tables whose header begins with the cells `header` (lower case); cells are trimmed. */
export function allTableRows(text: string, header: readonly string[]): string[][] {
  const found: string[][] = [];
  let inside = false;
  let previous: string[] | null = null;
  for (const line of text.split('\n')) {
    const cells = cellsOf(line);
    if (cells === null) inside = false;
    else if (inside) found.push(cells);
    else if (cells.every((cell) => /^:?-+:?$/.test(cell))) {
      inside = header.every((name, i) => previous?.[i]?.toLowerCase() === name);
    }
    previous = cells;
  }
  return found;
}

function cellsOf(line: string): string[] | null {
  const inner = line.trim().match(/^\|(.*)\|$/)?.[1];
  // `\|` is a bar inside of a cell.
  return inner?.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|')) ?? null;
}

/**
 * Type errors of the snippets, each compiled as a module of its own in one program, with the settings of the
 * repository; `proxywhirl` and its subpaths lead to the sources.
 */
export function typeErrors(
  snippets: readonly Snippet[],
  exportsMap: Readonly<Record<string, unknown>>,
): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  // An example declares things for the reader that it does not go on to use.
  const unused = { noUnusedLocals: false, noUnusedParameters: false };
  const virtual = new Map(
    snippets.map((snippet, i) => [join(root, `snippet-${i}.ts`), `${snippet.code}\nexport {};\n`]),
  );
  const settings: ts.CompilerOptions = {
    ...options,
    ...unused,
    noEmit: true,
    paths: sourcePaths(exportsMap),
  };
  const host = ts.createCompilerHost(settings);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => virtual.has(name) || fileExists(name);
  host.readFile = (name) => virtual.get(name) ?? readFile(name);
  const base = host.getSourceFile;
  host.getSourceFile = (name, languageVersion, ...rest) => {
    const text = virtual.get(name);
    return text === undefined
      ? base(name, languageVersion, ...rest)
      : ts.createSourceFile(name, text, languageVersion);
  };
  const program = ts.createProgram([...virtual.keys()], settings, host);
  return [...virtual.keys()].flatMap((name, i) => {
    const file = program.getSourceFile(name);
    return ts
      .getPreEmitDiagnostics(program, file)
      .filter((problem) => problem.file === file)
      .map((problem) => {
        const line = file?.getLineAndCharacterOfPosition(problem.start ?? 0).line ?? 0;
        const message = ts.flattenDiagnosticMessageText(problem.messageText, ' ');
        return `${snippets[i]?.where}, line ${line + 1} of the snippet: ${message}`;
      });
  });
}

/** `proxywhirl/lab` -> src/lab/index.ts, from the exports map. */
function sourcePaths(exportsMap: Readonly<Record<string, unknown>>): Record<string, string[]> {
  const paths: Record<string, string[]> = {};
  for (const [subpath, target] of Object.entries(exportsMap)) {
    if (typeof target !== 'object' || target === null || !('default' in target)) continue;
    const source = String(target.default).replace('./dist/', './src/').replace(/\.js$/, '.ts');
    paths[`proxywhirl${subpath.slice(1)}`] = [source];
  }
  return paths;
}
