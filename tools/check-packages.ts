/**
 * Packs every package as npm would publish it, unpacks the tarballs side by side in an empty folder, and imports each
 * from there in plain Node: what a user's `npm install` gives must load, be typed, and hold nothing but itself.
 *
 *     node tools/check-packages.ts        (after `npm run build`)
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const scope = '@agent-lightning';
const problems: string[] = [];
const root = process.cwd();
const sandbox = mkdtempSync(join(tmpdir(), 'packed-'));

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Packs one package and lays its files where an install would. */
function install(directory: string): string {
  const packed = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', sandbox], directory)) as unknown;
  const [entry] = Array.isArray(packed) ? packed : Object.values(packed as object);
  const tarball = join(sandbox, basename((entry as { filename: string }).filename.replace(/^@/, '').replace('/', '-')));
  const { name } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
  const target = join(sandbox, 'node_modules', name);
  mkdirSync(target, { recursive: true });
  run('tar', ['-xzf', tarball, '--strip-components=1', '-C', target], sandbox);
  return target;
}

/** Third-party packages come from this workspace; our own only from the tarballs. */
function linkThirdParty(): void {
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name === scope || name.startsWith('.') || existsSync(join(sandbox, 'node_modules', name))) continue;
    symlinkSync(join(root, 'node_modules', name), join(sandbox, 'node_modules', name));
  }
}

function checkFiles(directory: string): void {
  const files = globSync('**/*', { cwd: directory });
  for (const required of ['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'index.cjs', 'index.d.cts']) {
    if (!existsSync(join(directory, required))) problems.push(`${basename(directory)}: the package lacks ${required}`);
  }
  for (const file of files) {
    if (/\.test\.|\.tsbuildinfo$|__fixtures__|^src\//.test(file))
      problems.push(`${basename(directory)}: the package holds ${file}`);
  }
}

/** Loads every entry that the manifest exports, and looks for its types. */
function checkEntries(manifest: Manifest): void {
  const entries = Object.entries(manifest.exports ?? {});
  if (entries.length === 0) problems.push(`${manifest.name}: package.json exports nothing`);
  for (const [path, entry] of entries) {
    const name = `${manifest.name}${path.slice(1)}`;
    if (typeof entry !== 'object' || entry.types === undefined || entry.default === undefined) {
      problems.push(`${name}: its entry in "exports" must have "types" and "default"; got ${JSON.stringify(entry)}`);
      continue;
    }
    const target = join(sandbox, 'node_modules', manifest.name);
    if (!existsSync(join(target, entry.types))) problems.push(`${name}: the package lacks its types ${entry.types}`);
    const required = entry.require?.types;
    if (required === undefined || !existsSync(join(target, required)))
      problems.push(`${name}: the package lacks the types of its entry "require", ${String(required)}`);
    checkImport(`import * as all from '${name}';`, 'module', name, path === '.');
    checkImport(`const all = require('${name}');`, 'commonjs', name, path === '.');
  }
}

/** Loads one entry in plain Node; the root of a package must export something, while others may be run for what they do. */
function checkImport(load: string, type: 'module' | 'commonjs', name: string, mustExport: boolean): void {
  const program = `${load} console.log(Object.keys(all).length)`;
  try {
    const count = Number(run('node', [`--input-type=${type}`, '--eval', program], sandbox));
    if (mustExport && !(count > 0)) problems.push(`${name}: exports nothing (${type})`);
    else console.log(`${name}, ${type}: ${count} exports`);
  } catch (error) {
    const reason = (error as { stderr?: string }).stderr ?? String(error);
    problems.push(`${name}: does not load from its tarball (${type}): ${reason}`);
  }
}

/** The settings of `module` with which an app may compile; a CommonJS app requires our ES modules, which Node can since 22.15. */
const moduleSettings = ['commonjs', 'node16', 'node18', 'nodenext'] as const;

/** Compiles an app in CommonJS that imports each package, with every setting of `module`. */
function checkTypes(names: readonly string[]): void {
  const app = join(sandbox, 'app');
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{"type":"commonjs"}');
  const imports = names.map(
    (name, index) => `import * as package${index} from '${name}';\nObject.keys(package${index});`,
  );
  // A name that is not there must be an error, or nothing was checked.
  const wrong = `// @ts-expect-error\nimport { nothingOfThisName } from '${names[0]}';\nconsole.log(nothingOfThisName);`;
  writeFileSync(join(app, 'app.ts'), [...imports, wrong].join('\n'));
  for (const module of moduleSettings) {
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2024', '--module', module, 'app.ts'];
    try {
      run('node', [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), ...options], app);
      console.log(`types with module: ${module}: ${names.length} packages`);
    } catch (error) {
      problems.push(
        `module: ${module}: an app does not compile: ${(error as { stdout?: string }).stdout ?? String(error)}`,
      );
    }
  }
}

/** Describes the part of a package.json that is read here. */
interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<
    Record<
      string,
      {
        readonly types?: string;
        readonly default?: string;
        readonly require?: { readonly types?: string; readonly default?: string };
      }
    >
  >;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

try {
  const directories = globSync('packages/*', { cwd: root }).filter((path) =>
    existsSync(join(root, path, 'package.json')),
  );
  if (directories.length === 0) problems.push('no packages found, so nothing was checked');
  for (const directory of directories) checkFiles(install(join(root, directory)));
  linkThirdParty();
  cpSync(join(root, 'package.json'), join(sandbox, 'package.json'));
  const names: string[] = [];
  for (const directory of directories) {
    const manifest = JSON.parse(readFileSync(join(root, directory, 'package.json'), 'utf8')) as Manifest;
    // A suite of tests loads only inside its test runner.
    if (manifest.peerDependencies?.['vitest'] === undefined) checkEntries(manifest);
    names.push(manifest.name);
  }
  checkTypes(names);
} finally {
  rmSync(sandbox, { recursive: true, force: true });
}
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? 'packages: every tarball loads' : `packages: ${problems.length} problem(s)`);
process.exitCode = problems.length === 0 ? 0 : 1;
