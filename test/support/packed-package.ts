import { type ExecFileOptions, execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');

/** tsc and npm report on stdout, which the error of `execFile` leaves out. */
async function run(file: string, args: readonly string[], options: ExecFileOptions = {}): Promise<string> {
  try {
    return String((await exec(file, args, options)).stdout);
  } catch (error) {
    const { stdout } = error as { stdout?: string | Buffer };
    throw new Error(`${(error as Error).message}\n${String(stdout ?? '')}`, { cause: error });
  }
}

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

export async function readManifest(): Promise<Manifest> {
  return JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest;
}

/**
 * The package as a user gets it: built and packed in a folder of its own (the `dist/` of the repository may be
 * older than the sources), then unpacked into an empty project that has its dependencies and nothing else.
 */
export class PackedPackage {
  readonly #home: string;
  readonly tarball: string;
  /** Paths in the tarball. */
  readonly files: readonly string[];
  /** The project in which the package is installed. */
  readonly project: string;

  private constructor(home: string, tarball: string, files: readonly string[], project: string) {
    this.#home = home;
    this.tarball = tarball;
    this.files = files;
    this.project = project;
  }

  static async create(): Promise<PackedPackage> {
    const home = await mkdtemp(join(tmpdir(), 'proxywhirl-package-'));
    try {
      return await PackedPackage.#build(home);
    } catch (error) {
      await rm(home, { recursive: true, force: true });
      throw error;
    }
  }

  static async #build(home: string): Promise<PackedPackage> {
    const stage = join(home, 'stage');
    const project = join(home, 'project');
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', join(stage, 'dist')], {
      cwd: root,
    });
    await run(process.execPath, ['scripts/copy-reference.mjs', join(stage, 'dist')], { cwd: root });
    for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
      await copyFile(join(root, file), join(stage, file));
    }
    const listing = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', home], {
      cwd: stage,
    });
    const [packed] = JSON.parse(listing) as { filename: string; files: { path: string }[] }[];
    if (!packed) throw new Error('npm pack packed nothing');
    const tarball = join(home, packed.filename);

    const installed = join(project, 'node_modules/proxywhirl');
    await mkdir(installed, { recursive: true });
    await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
    await writeFile(
      join(project, 'package.json'),
      '{ "name": "project", "private": true, "type": "module" }',
    );
    for (const name of Object.keys((await readManifest()).dependencies ?? {})) {
      const link = join(project, 'node_modules', name);
      await mkdir(dirname(link), { recursive: true });
      // The link leads to the real folder, where the dependency finds its own dependencies.
      await symlink(join(root, 'node_modules', name), link, 'junction');
    }
    await mkdir(join(project, 'node_modules/.bin'));
    for (const [name, file] of Object.entries((await readManifest()).bin)) {
      await chmod(join(installed, file), 0o755);
      await symlink(join(installed, file), join(project, 'node_modules/.bin', name));
    }
    return new PackedPackage(
      home,
      tarball,
      packed.files.map((file) => file.path),
      project,
    );
  }

  get installed(): string {
    return join(this.project, 'node_modules/proxywhirl');
  }

  /** Puts a package into the project whose code throws as soon as it is loaded. */
  async addDecoy(name: string): Promise<void> {
    const home = join(this.project, 'node_modules', name);
    await mkdir(home, { recursive: true });
    await writeFile(
      join(home, 'package.json'),
      JSON.stringify({ name, version: '3.99.0', main: 'index.js' }),
    );
    await writeFile(join(home, 'index.js'), `throw new Error('${name} was loaded');`);
  }

  async removeDecoy(name: string): Promise<void> {
    await rm(join(this.project, 'node_modules', name), { recursive: true });
  }

  /** Runs a program in the project, in a Node of its own; it prints JSON. */
  async run<T>(program: string, type: 'module' | 'commonjs' = 'module'): Promise<T> {
    const args = [`--input-type=${type}`, '--eval', program];
    // Loaders and coverage of the test run are not the user's.
    const env = { ...process.env, NODE_OPTIONS: '' };
    return JSON.parse(await run(process.execPath, args, { cwd: this.project, env })) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#home, { recursive: true, force: true });
  }
}
