/** Checks the frameworks of a project against the ranges of their adapters, and that one copy of core serves all packages. */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { listPeers } from '../project/check-versions.ts';
import { findPackage } from '../project/find-package.ts';
import type { Framework } from '../project/frameworks.ts';
import type { Project } from '../project/read-project.ts';
import { changeCommandLine, copyCommandLines, installCommand } from '../project/install-command.ts';
import { fault, note, ok, type Finding } from './finding.ts';

/** Checks every framework that a project depends on. */
export function checkFrameworks(project: Project): readonly Finding[] {
  return project.frameworks.flatMap((framework) => checkFramework(framework, project));
}

function checkFramework(framework: Framework, { directory, packageManager }: Project): readonly Finding[] {
  const { title, adapter } = framework;
  const peers = listPeers(framework, directory);
  if (peers.length === 0)
    return [fault('framework', `${title} is in package.json and not installed`, `run \`${packageManager} install\``)];
  const versions = peers.map(({ name, installed, range, isTaken }) =>
    isTaken
      ? ok('framework', `${name} ${installed} (${adapter} takes ${range})`)
      : fault(
          'framework',
          `${name} ${installed}, and ${adapter} takes ${range}`,
          `install a version that it takes: ${changeCommandLine(packageManager, name, range)}`,
        ),
  );
  if (findPackage(adapter, directory) !== undefined) return versions;
  return [
    ...versions,
    note('framework', `${title} has no adapter here`, installCommand(packageManager, [adapter]).join(' ')),
  ];
}

const scope = '@agent-lightning';

/** Checks that all packages of this project share one copy of core; two do not see each other's rollouts. */
export function checkCore({ directory, packageManager }: Pick<Project, 'directory' | 'packageManager'>): Finding {
  const copies = findCopies(directory);
  if (copies.size === 0)
    return note(
      'core',
      `${scope}/core is not installed for ${directory}`,
      installCommand(packageManager, ['agent-lightning']).join(' '),
    );
  const list = [...copies].map(([path, version]) => `${version} in ${path}`).join(', ');
  if (copies.size === 1) return ok('core', `one copy of ${scope}/core: ${list}`);
  const { merge, explain } = copyCommandLines(packageManager, `${scope}/core`);
  return fault(
    'core',
    `${copies.size} copies of ${scope}/core: ${list}`,
    `give every ${scope} package and agent-lightning one version, and run \`${merge}\`; \`${explain}\` says who wants which`,
  );
}

/** Returns every copy that a package of ours, or the project itself, reaches: folder → version. */
function findCopies(directory: string): ReadonlyMap<string, string> {
  const copies = new Map<string, string>();
  for (const from of [directory, ...listOwnPackages(directory)]) {
    const found = findPackage(`${scope}/core`, from);
    if (found !== undefined) copies.set(found.directory, found.version);
  }
  return copies;
}

/** Lists the folders of our packages that are reached from a project, those of other packages' own `node_modules` too. */
function listOwnPackages(directory: string, seen: Set<string> = new Set()): readonly string[] {
  const names = ['agent-lightning', ...listScoped(directory)];
  for (const name of names) {
    const found = findPackage(name, directory)?.directory;
    if (found === undefined || seen.has(found)) continue;
    seen.add(found);
    if (existsSync(join(found, 'node_modules'))) listOwnPackages(found, seen);
  }
  return [...seen];
}

function listScoped(directory: string): readonly string[] {
  const names = new Set<string>();
  for (let folder = directory; ; folder = join(folder, '..')) {
    const scoped = join(folder, 'node_modules', scope);
    if (existsSync(scoped)) for (const name of readdirSync(realpathSync(scoped))) names.add(`${scope}/${name}`);
    if (join(folder, '..') === folder) return [...names];
  }
}
