import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { minVersion } from 'semver';
import { runNpm } from '../packed/run-npm.ts';
import { findTypeErrors } from './judge.ts';
import { compilers, makeProject, planApp, type Compiler, type ProjectPlan } from './project.ts';

/** Lists the versions of Node that the packages are run on: the lowest that they say they support, and the newest of each line. */
export function listNodes(root: string): readonly string[] {
  const { engines } = JSON.parse(readFileSync(join(root, 'packages', 'agent-lightning', 'package.json'), 'utf8')) as {
    readonly engines: { readonly node: string };
  };
  const lowest = minVersion(engines.node);
  if (lowest === null) throw new TypeError(`packages/agent-lightning has the engines ${JSON.stringify(engines)}`);
  return [lowest.version, '22', '24', '26'];
}

/** The place where the cells work: what one of them installs or compiles, the next one finds. */
export class Place {
  /** The URL of a model server. */
  readonly baseUrl: string;
  readonly #sandbox: string;
  readonly #registry: string;
  readonly #made = new Map<string, Promise<string>>();

  constructor(options: { readonly sandbox: string; readonly registry: string; readonly baseUrl: string }) {
    this.#sandbox = options.sandbox;
    this.#registry = options.registry;
    this.baseUrl = options.baseUrl;
  }

  /** Returns a new empty folder that is in no project. */
  emptyFolder(): string {
    return mkdtempSync(join(this.#sandbox, 'run-'));
  }

  /** Returns the folder of a project with all that it needs. */
  async project(plan: ProjectPlan): Promise<string> {
    const name = plan.type === undefined ? plan.files : `${plan.files}-${plan.type}`;
    return await this.#once(name, async () => await makeProject(plan, join(this.#sandbox, name), this.#registry));
  }

  /** Returns the program of Node at a version, which npm has. */
  async node(version: string): Promise<string> {
    return await this.#once(`node-${version}`, async () => {
      const folder = join(this.#sandbox, `node-${version}`);
      mkdirSync(folder);
      writeFileSync(join(folder, 'package.json'), '{ "private": true, "allowScripts": { "node": true } }');
      await runNpm(['install', '--no-audit', '--no-fund', `node@${version}`], folder);
      return join(folder, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    });
  }

  /**
   * Compiles the app, every declaration that it imports included, and returns the folder of the JavaScript.
   * @throws {Error} when there is a type error in it or in our declarations
   */
  async compile(type: 'module' | 'commonjs', compiler: Compiler): Promise<string> {
    return await this.#once(`compiled-${type}-${compiler}`, async () => {
      const folder = await this.project(planApp(type));
      const output = `compiled-${compiler}`;
      const tsc = join('node_modules', compilers[compiler], 'bin', 'tsc');
      const printed = await promisify(execFile)(process.execPath, [tsc, '-p', '.', '--outDir', output], {
        cwd: folder,
        maxBuffer: 64 * 1024 * 1024,
      }).then(
        ({ stdout }) => stdout,
        // Types of other packages may have errors of their own.
        (error: Error & { readonly stdout?: string }) => error.stdout ?? error.message,
      );
      const errors = findTypeErrors(printed);
      if (errors.length > 0) throw new Error(`TypeScript ${compiler}:\n${errors.join('\n')}`);
      return join(folder, output);
    });
  }

  #once(name: string, make: () => Promise<string>): Promise<string> {
    const made = this.#made.get(name) ?? make();
    this.#made.set(name, made);
    return made;
  }
}
