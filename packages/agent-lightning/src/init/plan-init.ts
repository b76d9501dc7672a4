/** Plans what `init` does to a project: files to write, scripts to add, packages to install. Changes nothing. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import { findVersionFaults } from '../project/check-versions.ts';
import { findPackage } from '../project/find-package.ts';
import { frameworks, getFramework, type Framework } from '../project/frameworks.ts';
import { changeCommandLine } from '../project/install-command.ts';
import type { Project } from '../project/read-project.ts';
import type { ChosenAgent } from './choose-agent.ts';
import { answersWithText, ownEnding, writeConfig, type Language } from './write-config.ts';
import { writeReward, writeTasks } from './write-starters.ts';

/** A file that is written where there is none. */
export interface PlannedFile {
  /** The path in the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface InitPlan {
  readonly files: readonly PlannedFile[];
  /** Paths that are there already and stay as they are. */
  readonly kept: readonly string[];
  /** Scripts that are added to package.json. */
  readonly scripts: Readonly<Record<string, string>>;
  /** Packages to install, with their versions. */
  readonly packages: readonly string[];
}

/** Plans the set-up of a chosen agent. @throws {ConfigurationError} `option-unsupported` when its framework is of a version that the adapter does not take */
export function planInit(project: Project, { agent }: ChosenAgent, version: string): InitPlan {
  const framework = getFramework(agent.framework);
  checkVersions(framework, project);
  const language: Language = /\.[cm]?ts$/.test(agent.file) ? 'ts' : 'mjs';
  const form = { isText: answersWithText(agent), tasksFile: `./tasks.${ownEnding(project, language)}` };
  const files = [
    { path: `lightning/tasks.${language}`, text: writeTasks(language) },
    { path: `lightning/reward.${language}`, text: writeReward(language, form) },
    // The last one that is written: where it is there, the project is set up.
    { path: `lightning.config.${language}`, text: writeConfig(project, agent, language) },
  ];
  const isThere = ({ path }: PlannedFile): boolean => existsSync(join(project.directory, path));
  return {
    files: files.filter((file) => !isThere(file)),
    kept: files.filter(isThere).map(({ path }) => path),
    scripts: planScripts(project),
    packages: planPackages(project, framework, version),
  };
}

/** Plans what is still missing where a configuration is there: packages alone. */
export function planCompletion(project: Project, config: string, version: string): InitPlan {
  const text = readFileSync(join(project.directory, config), 'utf8');
  const framework = frameworks.find(({ adapter }) => text.includes(`'${adapter}'`) || text.includes(`"${adapter}"`));
  return { files: [], kept: [config], scripts: {}, packages: planPackages(project, framework, version) };
}

function checkVersions(framework: Framework, { directory, packageManager }: Project): void {
  const [fault] = findVersionFaults(framework, directory);
  if (fault === undefined) return;
  throw new ConfigurationError(
    `${fault.name} ${fault.installed} is installed, and ${fault.adapter} takes ${fault.range}. Install a version in that range (\`${changeCommandLine(packageManager, fault.name, fault.range)}\`), and run init again.`,
    { code: 'option-unsupported' },
  );
}

const scripts: Readonly<Record<string, string>> = {
  'lightning:dev': 'agent-lightning dev',
  'lightning:train': 'agent-lightning train',
};

function planScripts({ manifest }: Project): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(scripts).filter(([name]) => manifest.scripts?.[name] === undefined));
}

function planPackages({ directory }: Project, framework: Framework | undefined, version: string): readonly string[] {
  const wanted = ['agent-lightning', ...(framework === undefined ? [] : [framework.adapter])];
  return wanted.filter((name) => findPackage(name, directory) === undefined).map((name) => `${name}@${version}`);
}
