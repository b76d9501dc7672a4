/** Keeps the modules of a project, parsed when they are first asked for. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { isForbidden, listSources } from './list-sources.ts';
import { parseSource } from './parse-source.ts';
import { readModule, type ModuleNames } from './read-module.ts';
import { sourceEndings } from './source-endings.ts';

export class SourceIndex {
  readonly #directory: string;
  readonly #modules = new Map<string, ModuleNames | undefined>();
  #files: readonly string[] | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The paths of all source files, relative to the project; its folders are read when it is first asked for. */
  get files(): readonly string[] {
    this.#files ??= listSources(this.#directory);
    return this.#files;
  }

  /** Returns the module of a file, or undefined where it cannot be read or parsed. */
  read(file: string): ModuleNames | undefined {
    if (!this.#modules.has(file)) {
      const text = this.readText(file);
      const program = text === undefined ? undefined : parseSource(file, text);
      this.#modules.set(file, program === undefined ? undefined : readModule(file, program));
    }
    return this.#modules.get(file);
  }

  /** Returns the text of a file, or undefined where this user may not read it. */
  readText(file: string): string | undefined {
    try {
      return readFileSync(join(this.#directory, file), 'utf8');
    } catch (error) {
      if (isForbidden(error)) return undefined;
      throw error;
    }
  }

  /** Returns the module that a relative import reaches, or undefined for a package and for what is not there. */
  follow(from: ModuleNames, specifier: string): ModuleNames | undefined {
    if (!specifier.startsWith('.')) return undefined;
    const target = posix.join(posix.dirname(from.file), specifier);
    const bare = target.replace(/\.[cm]?js$/, '');
    const file = [target, bare]
      .flatMap((base) => sourceEndings.map((ending) => base + ending))
      .find((path) => this.#isFile(path));
    return file === undefined ? undefined : this.read(file);
  }

  #isFile(file: string): boolean {
    const path = join(this.#directory, file);
    return existsSync(path) && statSync(path).isFile();
  }
}
