import { chmodSync, cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { AgentCandidate } from '../src/init/agent-candidate.ts';
import { addScripts, writePlan } from '../src/init/apply-plan.ts';
import { chooseAgent, nameAgent } from '../src/init/choose-agent.ts';
import { findAgents } from '../src/init/find-agents.ts';
import { frameworks } from '../src/project/frameworks.ts';
import { readProject } from '../src/project/read-project.ts';
import { runInProcess } from './run-in-process.ts';

const fixtures = join(import.meta.dirname, '../../../tools/init/fixtures');
const scratch = mkdtempSync(join(tmpdir(), 'init-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let count = 0;
/** Makes a project of files; a manifest that is not given depends on all frameworks. */
function makeProject(files: Readonly<Record<string, string>>): string {
  const directory = join(scratch, String((count += 1)));
  const dependencies = Object.fromEntries(frameworks.flatMap(({ packages }) => packages).map((name) => [name, '*']));
  const all = { 'package.json': JSON.stringify({ type: 'module', dependencies }), ...files };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  return directory;
}

function findIn(files: Readonly<Record<string, string>>): readonly AgentCandidate[] {
  return findAgents(makeProject(files)).candidates;
}

/** Returns every file of a project with its text. */
function readAll(directory: string): Readonly<Record<string, string>> {
  const files = globSync('**/*', { cwd: directory, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map((entry) => join(entry.parentPath, entry.name)).map((path) => [path, readFileSync(path, 'utf8')]),
  );
}

describe('finding agents', () => {
  it('recognizes what each framework makes, by where its constructor comes from and not by its name', () => {
    const found = findIn({
      'graph.ts': `import { StateGraph as Graph, Annotation } from '@langchain/langgraph';
        const State = Annotation.Root({ topic: Annotation<string>, joke: Annotation<string> });
        const builder = new Graph(State).addNode('a', () => ({}));
        export const joker: unknown = builder.compile({ checkpointer: undefined }).withConfig({ runName: 'x' });`,
      'tools.ts': `import { Agent } from './own.js'; export const notOne = new Agent();`,
      'entry.mjs': `import * as lg from '@langchain/langgraph';
        export default lg.entrypoint('flow', async (messages) => messages);`,
      'triage.cjs': `const { Agent } = require('@openai/agents');
        const helper = new Agent({ name: 'helper' });
        module.exports = { triage: Agent.create({ name: 'triage', handoffs: [helper] }) };`,
      'loop.js': `import { ToolLoopAgent } from 'ai'; export const loop = new ToolLoopAgent({});`,
      'ask.ts': `import { generateText } from 'ai';
        export async function ask({ question, style = 'short' }: { question: string; style?: string }) { return (await generateText({ model: 'm', prompt: question + style })).text; }
        export async function POST(request: Request) { return generateText({ model: 'm', prompt: await request.text() }); }`,
      'flow.ts': `import { createWorkflow } from '@mastra/core/workflows'; import { z } from 'zod';
        export const flow = createWorkflow({ id: 'f', inputSchema: z.object({ city: z.string() }) }).then(x).commit();`,
    });
    expect(found.map((each) => [nameAgent(each), each.framework, each.kind, each.input, each.isCommonJs])).toEqual([
      ['entry.mjs#default', 'langgraph', 'graph', { form: 'message-list' }, false],
      ['graph.ts#joker', 'langgraph', 'graph', { form: 'fields', fields: ['topic', 'joke'] }, false],
      ['loop.js#loop', 'ai-sdk', 'agent', { form: 'text' }, false],
      ['triage.cjs#triage', 'openai-agents', 'agent', { form: 'text' }, true],
      ['flow.ts#flow', 'mastra', 'workflow', { form: 'fields', fields: ['city'] }, false],
      ['ask.ts#ask', 'ai-sdk', 'function', { form: 'fields', fields: ['question', 'style'] }, false],
      ['triage.cjs#', 'openai-agents', 'agent', { form: 'text' }, true],
    ]);
  });

  it('follows schemas and agents over imports, and makes what a function without parameters makes', () => {
    const found = findIn({
      'state.ts': `import { MessagesAnnotation, Annotation } from '@langchain/langgraph';
        export const State = Annotation.Root({ ...MessagesAnnotation.spec, calls: Annotation<number> });`,
      'make.ts': `import { StateGraph } from '@langchain/langgraph'; import { State } from './state.js';
        export async function createGraph() { const graph = new StateGraph(State).addNode('a', f); return graph.compile(); }`,
    });
    expect(found).toMatchObject([
      { exportName: 'createGraph', kind: 'graph', input: { form: 'messages' }, isFactory: true },
    ]);
  });

  it('takes the agent that no other one uses, and the one that langgraph.json names', async () => {
    const files = {
      'agents.js': `import { Agent } from '@openai/agents';
        export const math = new Agent({ name: 'math' });
        export const triage = new Agent({ name: 'triage', handoffs: [math] });`,
    };
    const choice = { framework: undefined, agent: undefined, ask: () => Promise.reject(new TypeError('it asked')) };
    const chosen = await chooseAgent(readProject(makeProject(files)), choice);
    expect(chosen.agent.name).toBe('triage');
    expect(chosen.others.map(nameAgent)).toEqual(['agents.js#math']);
    const graph = `import { createAgent } from 'langchain'; export const NAME = createAgent({});`;
    const declared = makeProject({
      'a.js': graph.replace('NAME', 'first'),
      'b.js': graph.replace('NAME', 'second'),
      'langgraph.json': '{ "graphs": { "agent": "./b.js:second" } }',
    });
    expect(findAgents(declared).candidates[0]!.name).toBe('second');
  });

  it('says of a file that runs its agent when it is imported, and not of one that waits to be asked', () => {
    const makeFile = (rest: string): string =>
      `const { Agent, run } = require('@openai/agents'); const agent = new Agent({}); exports.agent = agent; ${rest}`;
    const runs = (rest: string): boolean => findIn({ 'a.cjs': makeFile(rest) })[0]!.runsOnImport;
    expect(runs(`run(agent, 'hello').then(console.log);`)).toBe(true);
    expect(runs(`async function main() { await run(agent, 'hello'); } main();`)).toBe(true);
    expect(
      runs(`exports.ask = async (text) => await run(agent, text); if (require.main === module) exports.ask('hello');`),
    ).toBe(false);
  });

  it('refuses a function that needs more than a task, and takes one whose further arguments may be left out', async () => {
    const ask = (name: string, parameters: string): string =>
      `export async function ${name}(${parameters}) { return (await generateText({ model: 'm', prompt: q })).text; }`;
    const project = (parameters: string) =>
      readProject(makeProject({ 'a.ts': `import { generateText } from 'ai'; // é…😀\n${ask('answer', parameters)}` }));
    const choice = { framework: undefined, agent: undefined, ask: undefined };
    for (const optional of ['q: string', 'q: string, style?: string', 'q: string, style = "x", ...more: string[]'])
      expect((await chooseAgent(project(optional), choice)).agent.name).toBe('answer');
    const two = project('userId: string, q: string');
    const reason = 'The function `answer` in a.ts, line 2, needs 2 arguments';
    await expect(chooseAgent(two, choice)).rejects.toThrow(reason);
    await expect(chooseAgent(two, { ...choice, agent: 'a.ts#answer' })).rejects.toThrow(reason);
    await expect(chooseAgent(two, { ...choice, agent: 'a.ts' })).rejects.toThrow(reason);
  });

  it('passes by folders and files that this user may not read', () => {
    const agent = `import { ToolLoopAgent } from 'ai'; export const loop = new ToolLoopAgent({});`;
    const directory = makeProject({ 'agent.js': agent, 'secret.js': agent, 'data/log.js': agent });
    chmodSync(scratch, 0o755);
    chmodSync(join(directory, 'secret.js'), 0o000);
    chmodSync(join(directory, 'data'), 0o000);
    // Rights do not stop the superuser.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      expect(findAgents(directory)).toMatchObject({ candidates: [{ file: 'agent.js' }], unreadable: ['secret.js'] });
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(join(directory, 'data'), 0o700);
    }
  });

  it('asks where several could be meant, and takes an agent on trust that the user names', async () => {
    const directory = makeProject({
      'a.js': `import { ToolLoopAgent } from 'ai'; export const one = new ToolLoopAgent({});`,
      'b.js': `import { ToolLoopAgent } from 'ai'; export const two = new ToolLoopAgent({});`,
      'made.js': `import { build } from './build.js'; export const built = build();`,
    });
    const project = readProject(directory);
    const ask = (agents: readonly AgentCandidate[]): Promise<AgentCandidate> => Promise.resolve(agents[1]!);
    expect((await chooseAgent(project, { framework: undefined, agent: undefined, ask })).agent.name).toBe('two');
    const given = { framework: 'langgraph', agent: 'made.js#built', ask: undefined } as const;
    expect((await chooseAgent(project, given)).agent).toMatchObject({ framework: 'langgraph', kind: 'graph' });
    await expect(chooseAgent(project, { ...given, agent: 'made.js#other' })).rejects.toThrow('it has built');
    await expect(chooseAgent(project, { ...given, agent: 'none.js#x' })).rejects.toThrow('there is no file');
  });
});

describe('init', () => {
  it.each(globSync('*', { cwd: fixtures }))('sets %s up, and changes nothing the second time', async (name) => {
    const directory = join(scratch, name);
    cpSync(join(fixtures, name), directory, { recursive: true });
    const first = await runInProcess(['init', '--no-install', '--json'], { directory });
    expect(first).toMatchObject({ exitCode: 0, complaints: '' });
    expect(first.json()).toMatchObject({
      framework: name.replace(/-(esm|cjs)$/, ''),
      kept: [],
      others: expect.anything(),
    });
    expect(first.json()).toMatchObject({
      written: expect.arrayContaining([expect.stringMatching(/^lightning\.config\./)]),
    });
    const before = readAll(directory);
    const second = await runInProcess(['init', '--no-install', '--json'], { directory });
    expect(second.json()).toMatchObject({ written: [], scripts: [], installed: false });
    expect(readAll(directory)).toEqual(before);
  });

  it('refuses an agent that is named where the project is set up, and writes no configuration before package.json', async () => {
    const directory = makeProject({ 'lightning.config.mjs': 'export default {};' });
    const end = await runInProcess(['init', '--no-install', '--agent', 'a.js#b', '--framework', 'mastra'], {
      directory,
    });
    expect(end.exitCode).toBe(1);
    expect(end.complaints).toContain('lightning.config.mjs, which names its agent');
    expect(end.complaints).toContain('cannot take --agent a.js#b --framework mastra');
    expect((await runInProcess(['init', '--no-install'], { directory })).exitCode).toBe(0);

    const broken = join(scratch, 'broken');
    mkdirSync(join(broken, 'package.json'), { recursive: true });
    const files = [{ path: 'lightning.config.mjs', text: '' }];
    const plan = { files, kept: [], scripts: { a: 'b' }, packages: [] };
    await expect(writePlan({ directory: broken, manifestText: '{}' }, plan)).rejects.toThrow('EISDIR');
    expect(readAll(broken)).toEqual({});
  });

  it('writes over no file, and keeps scripts and the form of package.json', async () => {
    const directory = makeProject({
      'package.json':
        '{\n\t"name": "x",\n\t"scripts": { "lightning:dev": "mine" },\n\t"dependencies": { "ai": "*" }\n}\n',
      'agent.mjs': `import { ToolLoopAgent } from 'ai'; export const agent = new ToolLoopAgent({});`,
      'lightning/reward.mjs': 'export const reward = () => 1;',
    });
    const { output } = await runInProcess(['init', '--no-install'], { directory });
    expect(output).toContain('kept      lightning/reward.mjs');
    expect(output).toContain('npm install --save-dev agent-lightning@');
    expect(readFileSync(join(directory, 'lightning/reward.mjs'), 'utf8')).toBe('export const reward = () => 1;');
    const manifest = readFileSync(join(directory, 'package.json'), 'utf8');
    expect(manifest).toContain('\t\t"lightning:dev": "mine",\n\t\t"lightning:train": "agent-lightning train"\n');
    expect(addScripts('{"scripts":{}}', { a: 'b' })).toBe('{\n  "scripts": {\n    "a": "b"\n  }\n}');
  });

  it('says what to do where there is nothing to set up', async () => {
    const refusal = async (files: Readonly<Record<string, string>>): Promise<string> => {
      const directory = makeProject(files);
      const before = readAll(directory);
      const { exitCode, complaints } = await runInProcess(['init', '--no-install'], { directory });
      expect(exitCode).toBe(1);
      expect(readAll(directory)).toEqual(before);
      return complaints;
    };
    expect(await refusal({ 'package.json': '{}' })).toContain('depends on none of the frameworks');
    expect(await refusal({})).toContain('Name it: `npx agent-lightning init --framework ID --agent FILE#EXPORT`');
    expect(
      await refusal({
        'main.js': `import { Agent, run } from '@openai/agents';
          const agent = new Agent({ name: 'a' });
          const result = await run(agent, 'hello');`,
      }),
    ).toMatch(/`agent` in main\.js, line 2, is not exported.*Write `export` before it, move the statements/);
    expect(
      await refusal({
        'agent.mjs': `import { ToolLoopAgent } from 'ai'; export const agent = new ToolLoopAgent({});`,
        'node_modules/ai/package.json': '{ "version": "5.0.1" }',
      }),
    ).toContain('ai 5.0.1 is installed, and @agent-lightning/ai-sdk takes >=7.0.0 <8');
  });
});

it('knows the ranges of the adapters', () => {
  for (const { adapter, peers } of frameworks) {
    const file = join(import.meta.dirname, '../..', adapter.replace('@agent-lightning/', ''), 'package.json');
    expect((JSON.parse(readFileSync(file, 'utf8')) as { peerDependencies: object }).peerDependencies).toEqual(peers);
  }
});
