/** Writes lightning.config: how the chosen agent is wrapped, run on a task, and rewarded. */
import { posix } from 'node:path';
import { getFramework } from '../project/frameworks.ts';
import { listDependencies } from '../project/manifest.ts';
import type { Project } from '../project/read-project.ts';
import type { AgentCandidate } from './agent-candidate.ts';

/** The language of the files that are written. */
export type Language = 'ts' | 'mjs';

/** How one kind of agent is wrapped, called and read. */
interface Calling {
  /** Statements that make `trained`. */
  readonly wrap: readonly string[];
  /** Statements of the rollout; the last one sets what `answer` reads. */
  readonly call: readonly string[];
  /** The expression of what the reward is given. */
  readonly answer: string;
  /** A further import. */
  readonly importLine?: string;
}

/** Returns the text of the configuration. */
export function writeConfig(project: Project, agent: AgentCandidate, language: Language): string {
  const { adapter } = getFramework(agent.framework);
  const calling = describeCalling(project, agent);
  const imports = [
    writeImport('{ defineConfig }', 'agent-lightning'),
    writeImport('{ withLightning }', adapter),
    ...(calling.importLine === undefined ? [] : [calling.importLine]),
    ...importAgent(project, agent),
    writeImport('{ reward }', `./lightning/reward.${ownEnding(project, language)}`),
    writeImport('{ train, validation }', `./lightning/tasks.${ownEnding(project, language)}`),
  ];
  return `${imports.join('\n')}

// Everything that the agent asks a model trains; \`withLightning(…, { agentMatch: 'name' })\` limits it to the agents or nodes of a name.
${calling.wrap.join('\n')}

export default defineConfig({
  // Runs the agent on one task and returns the reward.
  rollout: async (task${language === 'ts' ? ': (typeof train)[number]' : ''}, { signal }) => {
${calling.call.map((line) => `    ${line}`).join('\n')}
    return reward(task, ${calling.answer});
  },
  train,
  validation,
});
`;
}

/** Returns the ending with which the files of `lightning/` are imported: TypeScript wants `.js` unless it is told otherwise. */
export function ownEnding({ importsTypeScript }: Project, language: Language): string {
  return language === 'mjs' ? 'mjs' : importsTypeScript ? 'ts' : 'js';
}

function writeImport(what: string, module: string): string {
  return `import ${what} from ${quote(module)};`;
}

function quote(text: string): string {
  return `'${text}'`;
}

/** Returns the name of the agent in the configuration. */
function localName({ exportName, file }: AgentCandidate): string {
  if (exportName !== undefined && exportName !== 'default') return exportName;
  const base = posix.basename(file).replace(/\.[^.]+$/, '');
  const name = base.replaceAll(
    /[^\p{L}\p{N}$_]+(.)?/gu,
    (_match, next: string | undefined) => next?.toUpperCase() ?? '',
  );
  return /^[\p{L}$_]/u.test(name) && !taken.has(name) ? name : 'agent';
}

const taken: ReadonlySet<string> = new Set(['index', 'reward', 'train', 'validation', 'trained', 'run', 'default']);

function importAgent(project: Project, agent: AgentCandidate): readonly string[] {
  const path = `./${project.importsTypeScript ? agent.file : agent.file.replace(/\.([cm]?)ts$/, '.$1js')}`;
  const name = localName(agent);
  if (agent.exportName === 'default') return [writeImport(name, path)];
  const local = taken.has(name) ? `${name} as original` : name;
  // The exports of a CommonJS file are its default import, whichever way they were set.
  if (agent.isCommonJs) return [writeImport('agentFile', path)];
  return [writeImport(`{ ${local} }`, path)];
}

/** Returns the expression of the agent before it is wrapped. */
function originalOf(agent: AgentCandidate): string {
  const name = localName(agent);
  const isDefault = agent.exportName === 'default';
  const reference = agent.isCommonJs && !isDefault ? `agentFile.${name}` : taken.has(name) ? 'original' : name;
  return agent.isFactory ? `await ${reference}()` : reference;
}

function describeCalling(project: Project, agent: AgentCandidate): Calling {
  const wrap = [`const trained = withLightning(${originalOf(agent)});`];
  switch (agent.framework) {
    case 'langgraph':
      return { wrap, ...callGraph(agent) };
    case 'openai-agents':
      return { wrap, ...callOpenAIAgent(project) };
    case 'ai-sdk':
      return agent.kind === 'function' ? callFunction(agent) : { wrap, ...callAiSdkAgent() };
    case 'mastra':
      return agent.kind === 'workflow' ? { wrap, ...callWorkflow(agent) } : callMastraAgent(agent, wrap);
  }
}

/** Returns the expression of what the agent is given for a task. */
function inputOf({ input }: AgentCandidate): string {
  const message = `[{ role: 'user', content: task.input }]`;
  switch (input.form) {
    case 'messages':
      return `{ messages: ${message} }`;
    case 'message-list':
      return message;
    case 'text':
      return 'task.input';
    case 'fields':
      return `{ ${input.fields[0]}: task.input }`;
  }
}

function remarkOnFields({ input }: AgentCandidate): readonly string[] {
  const others = input.form === 'fields' ? input.fields.slice(1) : [];
  return others.length === 0 ? [] : [`// Give it what else it needs at its start; it also has: ${others.join(', ')}.`];
}

type Called = Omit<Calling, 'wrap'>;

function callGraph(agent: AgentCandidate): Called {
  return {
    call: [...remarkOnFields(agent), `const state = await trained.invoke(${inputOf(agent)}, { signal });`],
    answer: agent.input.form === 'messages' ? `state.messages.at(-1)?.text ?? ''` : 'state',
  };
}

function callOpenAIAgent({ manifest }: Project): Called {
  const source = listDependencies(manifest).has('@openai/agents') ? '@openai/agents' : '@openai/agents-core';
  return {
    importLine: writeImport('{ run }', source),
    call: ['const result = await run(trained, task.input, { signal });'],
    answer: `result.finalOutput ?? ''`,
  };
}

function callAiSdkAgent(): Called {
  return {
    call: ['const result = await trained.generate({ prompt: task.input, abortSignal: signal });'],
    answer: 'result.text',
  };
}

function callFunction(agent: AgentCandidate): Calling {
  const name = originalOf(agent);
  return {
    wrap: [
      '// The function becomes an agent of the AI SDK, so that the model calls within it are seen.',
      `const trained = withLightning({ version: 'agent-v1', id: '${localName(agent)}', generate: ${name}, stream: ${name} });`,
    ],
    call: [
      ...remarkOnFields(agent),
      `const answer = await trained.generate(${inputOf(agent)});`,
      'signal.throwIfAborted();',
    ],
    answer: 'answer',
  };
}

function callMastraAgent(agent: AgentCandidate, wrap: readonly string[]): Calling {
  const instance = [
    `withLightning(${originalOf(agent)});`,
    `const trained = ${originalOf(agent)}.getAgent('${agent.registered[0]}');`,
  ];
  return {
    wrap: agent.kind === 'instance' ? instance : wrap,
    call: ['const result = await trained.generate(task.input, { abortSignal: signal });'],
    answer: 'result.text',
  };
}

function callWorkflow(agent: AgentCandidate): Called {
  return {
    call: [
      ...remarkOnFields(agent),
      'const run = await trained.createRun();',
      'const onAbort = () => void run.cancel();',
      `signal.addEventListener('abort', onAbort, { once: true });`,
      `const result = await run.start({ inputData: ${inputOf(agent)} });`,
      `signal.removeEventListener('abort', onAbort);`,
      "if (result.status !== 'success') throw Error(`the workflow ended as ${result.status}`, { cause: result });",
    ],
    answer: 'result.result',
  };
}

/** Returns whether the reward is given a text; otherwise it is an object of the agent's own form. */
export function answersWithText({ framework, kind, input }: AgentCandidate): boolean {
  if (kind === 'workflow' || kind === 'function') return false;
  return framework !== 'langgraph' || input.form === 'messages';
}
