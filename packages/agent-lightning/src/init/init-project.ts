/** Sets up an existing project for training. */
import { ConfigurationError } from '@agent-lightning/core';
import { installCommand } from '../project/install-command.ts';
import { getFramework, type FrameworkId } from '../project/frameworks.ts';
import { findProjectConfig } from '../project/project-config.ts';
import { readProject, type Project } from '../project/read-project.ts';
import type { AgentCandidate } from './agent-candidate.ts';
import { installPackages, writePlan } from './apply-plan.ts';
import { chooseAgent, nameAgent, type ChosenAgent } from './choose-agent.ts';
import { planCompletion, planInit, type InitPlan } from './plan-init.ts';

export interface InitOptions {
  /** The folder of the project. */
  readonly directory: string;
  readonly framework: FrameworkId | undefined;
  /** The agent as `file#export`. */
  readonly agent: string | undefined;
  /** Asks which one of several agents is meant; undefined takes the first. */
  readonly ask: ((agents: readonly AgentCandidate[]) => Promise<AgentCandidate>) | undefined;
  /** Installs what is missing. */
  readonly install: boolean;
  /** The version of this package, which the others have too. */
  readonly version: string;
}

/** The result of `init`. */
export interface InitResult {
  /** The framework and the agent; undefined where the project was set up before. */
  readonly framework: FrameworkId | undefined;
  readonly agent: string | undefined;
  /** Other agents that could have been meant. */
  readonly others: readonly string[];
  /** Files that were written. */
  readonly written: readonly string[];
  /** Files that were there and stayed as they were. */
  readonly kept: readonly string[];
  /** Scripts that were added to package.json. */
  readonly scripts: readonly string[];
  /** Packages that are needed and were not there. */
  readonly packages: readonly string[];
  /** The command line that installs them; undefined where there are none. */
  readonly installLine: string | undefined;
  /** True when they were installed. */
  readonly installed: boolean;
  /** Sentences that the user should know. */
  readonly notes: readonly string[];
}

/** Sets up a project, or completes what an earlier run left; a project that is set up stays as it is. @throws {ConfigurationError} with what to do */
export async function initProject(options: InitOptions): Promise<InitResult> {
  const project = readProject(options.directory);
  const config = findProjectConfig(project.directory);
  if (config !== undefined) {
    refuseChoice(config, options);
    return await carryOut(project, options, planCompletion(project, config, options.version), undefined);
  }
  const chosen = await chooseAgent(project, options);
  return await carryOut(project, options, planInit(project, chosen, options.version), chosen);
}

/** Refuses an agent or a framework that is named where the configuration has one already. */
function refuseChoice(config: string, { agent, framework }: InitOptions): void {
  const given = [
    ...(agent === undefined ? [] : [`--agent ${agent}`]),
    ...(framework === undefined ? [] : [`--framework ${framework}`]),
  ];
  if (given.length === 0) return;
  throw new ConfigurationError(
    `The project has ${config}, which names its agent, so that init cannot take ${given.join(' ')}. To set up that agent, delete or rename ${config} first; to install what is missing, run init without it.`,
    { code: 'option-unsupported' },
  );
}

async function carryOut(
  project: Project,
  { install }: InitOptions,
  plan: InitPlan,
  chosen: ChosenAgent | undefined,
): Promise<InitResult> {
  await writePlan(project, plan);
  const isInstalling = install && plan.packages.length > 0;
  if (isInstalling) await installPackages(project, plan.packages);
  const line = installCommand(project.packageManager, plan.packages).join(' ');
  return {
    framework: chosen?.agent.framework,
    agent: chosen === undefined ? undefined : nameAgent(chosen.agent),
    others: chosen?.others.map(nameAgent) ?? [],
    written: plan.files.map(({ path }) => path),
    kept: plan.kept,
    scripts: Object.keys(plan.scripts),
    packages: plan.packages,
    installLine: plan.packages.length === 0 ? undefined : line,
    installed: isInstalling,
    notes: chosen === undefined ? [] : listNotes(chosen.agent),
  };
}

function listNotes(agent: AgentCandidate): readonly string[] {
  const { title } = getFramework(agent.framework);
  const notes: string[] = [];
  if (agent.runsOnImport)
    notes.push(
      `${agent.file} seems to run the agent as soon as it is imported: move that into a file of its own, or every command runs it once more.`,
    );
  if (agent.input.form === 'fields')
    notes.push(
      `The agent takes an object with ${agent.input.fields.join(', ')}; lightning.config gives it the text of a task as ${agent.input.fields[0]}. Correct that where it is something else.`,
    );
  if (agent.registered.length > 1)
    notes.push(
      `The ${title} instance has the agents ${agent.registered.join(', ')}; the tasks go to ${agent.registered[0]}. Name another one in lightning.config.`,
    );
  return notes;
}
