/** Each adapter with capture and a SQLite store, bundled by esbuild into one file of CommonJS, as an app on a server is. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
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

/** Defines a function that writes a tiny model. */
const makeModel = `
  const makeModel = (directory) => createCheckpoint({
    directory,
    config: { hiddenSize: 32, intermediateSize: 64, layers: 1, heads: 2, keyValueHeads: 1, maxPositions: 64 },
    tokenizer: trainBytePairTokenizer({
      texts: ['hello world'],
      vocabularySize: 300,
      specialTokens: ['<|end|>', '<|user|>', '<|assistant|>'],
    }),
    chatTemplate: '{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}<|assistant|>',
    endTokens: ['<|end|>'],
    seed: 0,
  });`;

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

  it('holds the trainer, and is told to leave out a backend that has files beside its code', async () => {
    const program = `
      import { createCheckpoint, embedded, trainBytePairTokenizer } from '@agent-lightning/embedded';
      import { gpu, Trainer } from '@agent-lightning/trainer';
      ${makeModel}
      makeModel('bundled').then(() => embedded({ model: 'bundled' }).createPolicy({ name: 'policy', seed: 0 }))
        .catch((error) => console.log(typeof Trainer, typeof gpu, error.code, error.message));`;
    const printed = await runBundle('trainer', program, ['@electric-sql/pglite', 'pg']);
    expect(printed).toMatch(/^function function option-unsupported .*--external:@agent-lightning\/embedded/);
  });
});

describe('an app in CommonJS', () => {
  it('trains with the embedded backend that it requires', () => {
    const file = join(folder, 'train.cjs');
    writeFileSync(
      file,
      `const { createCheckpoint, embedded, trainBytePairTokenizer } = require('@agent-lightning/embedded');
      ${makeModel}
      async function main() {
        await makeModel('required');
        const backend = embedded({ model: 'required', threads: 1 });
        const policy = await backend.createPolicy({ name: 'policy', seed: 0 });
        const sample = () => ({
          tokens: Int32Array.of(1, 2, 3, 4),
          lossMask: Uint8Array.of(0, 0, 1, 1),
          logprobs: new Float32Array(4),
          advantages: Float32Array.of(0, 0, 1, 1),
        });
        const losses = [];
        for (let step = 0; step < 2; step += 1) {
          losses.push((await policy.forwardBackward([sample()], { name: 'cross_entropy' })).loss);
          await policy.optimStep({ learningRate: 1e-2, maxGradientNorm: 1 });
        }
        await backend.close();
        console.log(JSON.stringify(losses));
      }
      void main();`,
    );
    const printed = execFileSync(process.execPath, ['--conditions=@agent-lightning/source', file], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [before, after] = JSON.parse(printed) as [number, number];
    expect(after).toBeLessThan(before);
  });
});
