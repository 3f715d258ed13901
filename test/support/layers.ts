import { posix } from 'node:path';
import ts from 'typescript';
import { importTable, type Layer } from './import-table.js';
import { type Import, importsOf, lineOf, packageName, parse, type Sources } from './source-imports.js';

/** Names that say nothing about what is inside. */
const bagNames = /^(utils?|helpers?|managers?|types|common|misc)\.ts$|-(utils?|helpers?|manager)\.ts$/;

/** Globals that read the clock, chance or the machine; in a pure layer they are arguments. */
const impureGlobals = new Set([
  'setTimeout',
  'setInterval',
  'setImmediate',
  'fetch',
  'process',
  'console',
  'crypto',
  'performance',
  'Buffer',
]);

/** Every break of the import table, of the purity rules and of the rules for file names, as `file:line: what`. */
export function findViolations(sources: Sources, table: readonly Layer[] = importTable): string[] {
  const found: string[] = [];
  for (const [file, text] of sources) {
    const layer = layerOf(file, table);
    if (!layer) {
      found.push(`${file}:1: is in no row of the import table`);
      continue;
    }
    if (bagNames.test(posix.basename(file))) found.push(`${file}:1: a name that says nothing`);
    const tree = parse(file, text);
    for (const entry of importsOf(tree)) {
      const why = judge(entry, file, layer);
      if (why) found.push(`${file}:${entry.line}: ${why}`);
    }
    if (layer.pure)
      found.push(...impurities(tree).map(({ line, what }) => `${file}:${line}: ${what} in a pure layer`));
    if (layer.reexportsOnly) found.push(...ownCode(tree).map((line) => `${file}:${line}: is no re-export`));
  }
  return found;
}

/** Cycles among the files, type imports included: each as the list of its files. */
export function findCycles(sources: Sources): string[][] {
  const graph = new Map(
    [...sources].map(([file, text]) => [
      file,
      importsOf(parse(file, text)).flatMap(({ specifier }) => resolveRelative(file, specifier) ?? []),
    ]),
  );
  const cycles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start >= 0) cycles.push(path.slice(start));
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}

function layerOf(file: string, table: readonly Layer[]): Layer | undefined {
  return table.filter((layer) => covers(layer.name, file)).sort((a, b) => b.name.length - a.name.length)[0];
}

function covers(name: string, file: string): boolean {
  return name.endsWith('/') ? file.startsWith(name) : file === name;
}

function judge({ specifier, kind }: Import, file: string, layer: Layer): string | null {
  const shown = `${kind === 'value' ? '' : `${kind} `}import of ${specifier}`;
  const target = resolveRelative(file, specifier);
  if (target !== null) {
    if (layer.name.endsWith('/') && covers(layer.name, target)) return null;
    if (layer.imports.some((name) => covers(name, target))) return null;
    if (!layer.types?.some((name) => covers(name, target))) return `${shown} is not in its row`;
    return kind === 'type' ? null : `${shown} is allowed by \`import type\` only`;
  }
  if (specifier.startsWith('node:')) return layer.pure ? `${shown} in a pure layer` : null;
  const name = packageName(specifier);
  if (layer.packages?.includes(name)) return null;
  if (!layer.hosts?.includes(name)) return `${shown} is not in its row`;
  return kind === 'value' ? `${shown} is allowed by \`import type\` or \`import()\` only` : null;
}

function resolveRelative(file: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts');
}

function impurities(tree: ts.SourceFile): { line: number; what: string }[] {
  const found: { line: number; what: string }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && ['Date.now', 'Math.random'].includes(node.getText(tree))) {
      found.push({ line: lineOf(node), what: node.getText(tree) });
    } else if (
      ts.isNewExpression(node) &&
      node.expression.getText(tree) === 'Date' &&
      !node.arguments?.length
    ) {
      found.push({ line: lineOf(node), what: 'new Date()' });
    } else if (ts.isIdentifier(node) && impureGlobals.has(node.text) && isReadAsGlobal(node)) {
      found.push({ line: lineOf(node), what: node.text });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** Not a member, a key, a parameter or a declaration of the same name. */
function isReadAsGlobal(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) {
    return parent.expression === node || parent.expression.getText() === 'globalThis';
  }
  if (ts.isCallExpression(parent) || ts.isNewExpression(parent)) return true;
  return ts.isVariableDeclaration(parent) && parent.initializer === node;
}

function ownCode(tree: ts.SourceFile): number[] {
  return tree.statements
    .filter(
      (statement) => !(ts.isExportDeclaration(statement) && statement.moduleSpecifier && !isStar(statement)),
    )
    .map(lineOf);
}

/** `export *` names nothing by hand. */
function isStar(statement: ts.ExportDeclaration): boolean {
  return statement.exportClause === undefined;
}
