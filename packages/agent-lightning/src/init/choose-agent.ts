/** Chooses the agent that a project trains: the one that the user names, else the one that no other agent uses. */
import { existsSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import { frameworks, getFramework, type FrameworkId } from '../project/frameworks.ts';
import type { Project } from '../project/read-project.ts';
import type { AgentCandidate } from './agent-candidate.ts';
import { findAgents, listUsed } from './find-agents.ts';
import { SourceIndex } from '../sources/source-index.ts';

export interface AgentChoice {
  /** Limits the search to one framework. */
  readonly framework: FrameworkId | undefined;
  /** The agent as `file#export`. */
  readonly agent: string | undefined;
  /** Asks the user which one of several it is; undefined where nobody can be asked, and the first is taken. */
  readonly ask: ((agents: readonly AgentCandidate[]) => Promise<AgentCandidate>) | undefined;
}

export interface ChosenAgent {
  readonly agent: AgentCandidate;
  /** Other agents that could be meant. */
  readonly others: readonly AgentCandidate[];
}

/** Returns how an agent is named on the command line. */
export function nameAgent({ file, exportName }: AgentCandidate): string {
  return `${file}#${exportName ?? ''}`;
}

/**
 * Chooses the agent of a project.
 * @throws {ConfigurationError} `option-invalid` when there is none, or none that can be imported; the message says what to do
 */
export async function chooseAgent(project: Project, choice: AgentChoice): Promise<ChosenAgent> {
  const index = new SourceIndex(project.directory);
  const { candidates, unreadable } = findAgents(project.directory, index);
  const fitting = candidates.filter(
    ({ framework }) => choice.framework === undefined || framework === choice.framework,
  );
  if (choice.agent !== undefined)
    return { agent: findNamed(choice.agent, { project, choice, index, candidates: fitting }), others: [] };
  const exported = fitting.filter(({ exportName, needs }) => exportName !== undefined && needs <= 1);
  if (exported.length === 0)
    throw refuse(explainNone(project, { choice, fitting, unreadable, files: index.files.length }));
  const used = listUsed(candidates);
  const entries = exported.filter(({ file, name }) => !used.has(`${file}#${name}`));
  const open = entries.length === 0 ? exported : entries;
  const agent = open.length > 1 && choice.ask !== undefined ? await choice.ask(open) : open[0]!;
  return { agent, others: exported.filter((each) => each !== agent) };
}

function refuse(message: string): ConfigurationError {
  return new ConfigurationError(message, { code: 'option-invalid' });
}

const naming = '`npx agent-lightning init --framework ID --agent FILE#EXPORT`';
const identifiers = frameworks.map(({ id }) => id).join(', ');

interface Nothing {
  readonly choice: AgentChoice;
  readonly fitting: readonly AgentCandidate[];
  readonly unreadable: readonly string[];
  readonly files: number;
}

/** Says why no agent was found, and what to do. */
function explainNone(project: Project, { choice, fitting, unreadable, files }: Nothing): string {
  const tooMany = fitting.find(({ exportName }) => exportName !== undefined);
  if (tooMany !== undefined) return explainNeeds(tooMany);
  const [hidden] = fitting;
  if (hidden !== undefined) {
    return (
      `The agent \`${hidden.name}\` in ${hidden.file}, line ${hidden.line}, is not exported, so that nothing can import it. ` +
      `${hidden.isCommonJs || !isModuleFile(project, hidden.file) ? `Add it to module.exports` : 'Write `export` before it'}` +
      `${hidden.runsOnImport ? ', move the statements that run it into a file of their own' : ''}, and run init again.`
    );
  }
  const wanted = choice.framework === undefined ? project.frameworks : [getFramework(choice.framework)];
  if (wanted.length === 0) {
    return `package.json in ${project.directory} depends on none of the frameworks that have an adapter: ${frameworks.map(({ title, packages }) => `${title} (${packages[0]})`).join(', ')}. For an agent without a framework, see "Your own agent" in the documentation.`;
  }
  const skipped = unreadable.length === 0 ? '' : ` These files could not be read: ${unreadable.join(', ')}.`;
  return `No agent of ${wanted.map(({ title }) => title).join(' or ')} was found in the ${files} source files below ${project.directory}.${skipped} Name it: ${naming}; ID is one of ${identifiers}.`;
}

function explainNeeds({ name, file, line, needs }: AgentCandidate): string {
  return (
    `The function \`${name}\` in ${file}, line ${line}, needs ${needs} arguments, and a rollout has one task to give it. ` +
    `Let it take one object with all of them, or give all but the first a default, and run init again.`
  );
}

function isModuleFile({ manifest }: Project, file: string): boolean {
  return manifest.type === 'module' || !/\.c?js$/.test(file);
}

interface Naming {
  readonly project: Project;
  readonly choice: AgentChoice;
  readonly index: SourceIndex;
  readonly candidates: readonly AgentCandidate[];
}

/** Finds the agent that the user named; one that is not recognized is taken on trust, as the usual kind of its framework. */
function findNamed(given: string, { project, choice, index, candidates }: Naming): AgentCandidate {
  const [path = '', exportName] = given.split('#');
  const file = posix.normalize(path.split(sep).join('/'));
  if (path === '' || !existsSync(join(project.directory, file)))
    throw refuse(
      `--agent is "${given}", and there is no file ${join(project.directory, path)}. Give FILE#EXPORT, such as src/agent.ts#agent.`,
    );
  const found = candidates.filter((each) => each.file === file && each.exportName !== undefined);
  if (exportName === undefined || exportName === '') {
    const [first] = found.toSorted((left, right) => left.needs - right.needs);
    if (first !== undefined) return checkNeeds(first);
    throw refuse(
      `--agent is "${given}", and no agent was recognized among the exports of that file. Give FILE#EXPORT, such as ${file}#agent.`,
    );
  }
  const recognized = found.find((each) => each.exportName === exportName);
  return recognized === undefined
    ? trustNamed({ file, exportName }, { project, choice, index })
    : checkNeeds(recognized);
}

function checkNeeds(agent: AgentCandidate): AgentCandidate {
  if (agent.needs > 1) throw refuse(explainNeeds(agent));
  return agent;
}

function trustNamed(
  { file, exportName }: { readonly file: string; readonly exportName: string },
  { project, choice, index }: Omit<Naming, 'candidates'>,
): AgentCandidate {
  const module = index.read(file);
  if (module !== undefined && !module.exports.has(exportName) && index.readText(file)?.includes(exportName) !== true) {
    const names = [...module.exports.keys()];
    throw refuse(
      `--agent is "${file}#${exportName}", and ${file} has no export of that name; it has ${names.length === 0 ? 'none' : names.join(', ')}.`,
    );
  }
  const framework = choice.framework ?? (project.frameworks.length === 1 ? project.frameworks[0]!.id : undefined);
  if (framework === undefined)
    throw refuse(
      `It is not clear of which framework ${file}#${exportName} is. Say it: --framework ${identifiers.replaceAll(', ', '|')}.`,
    );
  const isGraph = framework === 'langgraph';
  return {
    framework,
    file,
    exportName,
    name: exportName,
    line: 1,
    registered: [],
    uses: new Set(),
    kind: isGraph ? 'graph' : 'agent',
    input: { form: isGraph ? 'messages' : 'text' },
    isFactory: false,
    needs: 1,
    isCommonJs: module?.isCommonJs ?? false,
    runsOnImport: false,
  };
}
