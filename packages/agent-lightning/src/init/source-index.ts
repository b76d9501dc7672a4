/** Keeps the modules of a project, parsed when they are first asked for. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { listSources } from './list-sources.ts';
import { parseSource } from '../sources/parse-source.ts';
import { readModule, type ModuleNames } from './read-module.ts';

const endings = [
  '',
  '.ts',
  '.js',
  '.mts',
  '.mjs',
  '.cts',
  '.cjs',
  '/index.ts',
  '/index.js',
  '/index.mjs',
  '/index.cjs',
];

export class SourceIndex {
  readonly #directory: string;
  readonly #modules = new Map<string, ModuleNames | undefined>();
  /** The paths of all source files, relative to the project. */
  readonly files: readonly string[];

  constructor(directory: string) {
    this.#directory = directory;
    this.files = listSources(directory);
  }

  /** Returns the module of a file, or undefined where it cannot be parsed. */
  read(file: string): ModuleNames | undefined {
    if (!this.#modules.has(file)) {
      const program = parseSource(file, this.readText(file));
      this.#modules.set(file, program === undefined ? undefined : readModule(file, program));
    }
    return this.#modules.get(file);
  }

  readText(file: string): string {
    return readFileSync(join(this.#directory, file), 'utf8');
  }

  /** Returns the module that a relative import reaches, or undefined for a package and for what is not there. */
  follow(from: ModuleNames, specifier: string): ModuleNames | undefined {
    if (!specifier.startsWith('.')) return undefined;
    const target = posix.join(posix.dirname(from.file), specifier);
    const bare = target.replace(/\.[cm]?js$/, '');
    const file = [target, bare]
      .flatMap((base) => endings.map((ending) => base + ending))
      .find((path) => this.#isFile(path));
    return file === undefined ? undefined : this.read(file);
  }

  #isFile(file: string): boolean {
    const path = join(this.#directory, file);
    return existsSync(path) && statSync(path).isFile();
  }
}
