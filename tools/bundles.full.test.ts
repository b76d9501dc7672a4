/** Each adapter with capture and a SQLite store, bundled by esbuild into one file of CommonJS, as an app on a server is. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';

// Inside the workspace, where the frameworks that a bundle leaves out are found.
const cache = join(import.meta.dirname, 'node_modules', '.cache');
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, 'bundles-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Bundles a program and runs it; returns what it printed. */
async function runBundle(name: string, contents: string, external: readonly string[]): Promise<string> {
  const outfile = join(folder, `${name}.cjs`);
  await build({
    stdin: { contents, resolveDir: import.meta.dirname, loader: 'ts' },
    outfile,
    bundle: true,
    format: 'cjs',
    platform: 'node',
    conditions: ['@agent-lightning/source'],
    external: [...external],
    logLevel: 'silent',
  });
  return execFileSync(process.execPath, [outfile], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

const record = (name: string, setUp: string, call: string): string => `
  import { captureRollouts } from '@agent-lightning/capture';
  import { openSqliteStore } from '@agent-lightning/store-sqlite';
  ${setUp}
  async function main() {
    const store = await openSqliteStore({ path: '${name}.db', thread: false });
    const capture = captureRollouts({ store, sampleRate: 1 });
    const { result } = await capture.run('q', async () => ${call});
    const { stored } = await capture.close();
    await store.close();
    console.log(JSON.stringify({ result, stored }));
  }
  void main();`;

const graph = `
  import { withLightning } from '@agent-lightning/langgraph';
  import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
  const node = async () => ({ messages: ['hello'] });
  const agent = withLightning(
    new StateGraph(MessagesAnnotation).addNode('write', node).addEdge(START, 'write').addEdge('write', END).compile(),
  );`;
const cases = [
  ['langgraph', record('graph', graph, `(await agent.invoke({ messages: [] })).messages.at(-1).text`), []],
  [
    'langgraph-external',
    record('graph-external', graph, `(await agent.invoke({ messages: [] })).messages.at(-1).text`),
    ['@langchain/*'],
  ],
  [
    'openai-agents',
    record(
      'openai-agents',
      `import { withLightning } from '@agent-lightning/openai-agents';
       import { Agent } from '@openai/agents';
       const agent = withLightning(new Agent({ name: 'hello' }));`,
      'agent.name',
    ),
    ['@openai/agents'],
  ],
  [
    'ai-sdk',
    record(
      'ai-sdk',
      `import { withLightning } from '@agent-lightning/ai-sdk';
       import { ToolLoopAgent } from 'ai';
       const agent = withLightning(new ToolLoopAgent({ id: 'hello', model: 'a/b' }));`,
      'agent.id',
    ),
    [],
  ],
  [
    'mastra',
    record(
      'mastra',
      `import { withLightning } from '@agent-lightning/mastra';
       import { Agent } from '@mastra/core/agent';
       const agent = withLightning(new Agent({ id: 'hello', name: 'hello', instructions: '', model: 'openai/gpt-5' }));`,
      'agent.id',
    ),
    ['@mastra/core'],
  ],
] as const;

describe('a bundle in CommonJS', () => {
  it.each(cases)('runs with capture and a SQLite store: %s', async (name, program, external) => {
    expect(JSON.parse(await runBundle(name, program, external))).toEqual({ result: 'hello', stored: 1 });
  });

  it('is told what to set where the thread of a SQLite store cannot start', async () => {
    const program = `
      import { openSqliteStore } from '@agent-lightning/store-sqlite';
      openSqliteStore({ path: 'thread.db' }).catch((error) => console.log(error.code, error.message));`;
    const printed = await runBundle('thread', program, []);
    expect(printed).toMatch(/^store-unavailable .*thread: false\n$/);
  });
});
