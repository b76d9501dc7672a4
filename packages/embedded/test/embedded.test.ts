import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { GenerateRequest, TrainingBackend } from '@agent-lightning/core';
import { collectGeneration, type CollectedGeneration } from '@agent-lightning/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import {
  decodeSafetensors,
  embedded,
  loadCheckpoint,
  type EmbeddedBackend,
  type EmbeddedOptions,
} from '../src/index.ts';
import { createTinyCheckpoint } from './tiny-checkpoint.ts';

const messages = [{ role: 'user', content: 'Which student is the oldest?' }];
let root: string;
let backend: TrainingBackend | undefined;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'embedded-'));
  await createTinyCheckpoint(join(root, 'model'));
});
afterAll(() => rm(root, { recursive: true }));
afterEach(() => backend?.close());

const opened: EmbeddedBackend[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
});
const openEmbedded = (options: Partial<EmbeddedOptions> = {}): EmbeddedBackend => {
  const created = embedded({ model: join(root, 'model'), threads: 2, ...options });
  opened.push(created);
  return created;
};
const open = (options: Partial<EmbeddedOptions> = {}): TrainingBackend => (backend = openEmbedded(options));
const askBase = async (request: Partial<GenerateRequest> = {}): Promise<CollectedGeneration> => {
  const snapshot = await backend?.baseSnapshot();
  if (snapshot?.kind !== 'engine') throw new TypeError('no engine');
  return collectGeneration(snapshot.engine, { input: { messages }, seed: 1, maxTokens: 20, ...request });
};

describe('embedded', () => {
  it('says what it expects when the model directory is not there', async () => {
    await expect(
      open({ model: join(root, 'nowhere') }).createPolicy({ name: 'policy', seed: 0 }),
    ).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining('Expected there: config.json, tokenizer.json'),
    });
  });

  it('fails a call on a bad model in the caller alone, and works once the model is there', async () => {
    const unhandled: unknown[] = [];
    const record = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', record);
    const model = join(root, 'later');
    open({ model });
    const spec = { name: 'policy', seed: 0 };
    await expect(backend?.createPolicy(spec)).rejects.toMatchObject({ code: 'option-invalid' });
    await expect(backend?.baseSnapshot?.()).rejects.toMatchObject({ code: 'option-invalid' });
    await new Promise((resolve) => setImmediate(resolve)); // Node reports rejections before it runs this
    process.off('unhandledRejection', record);
    expect(unhandled).toEqual([]);
    await createTinyCheckpoint(model);
    expect((await backend?.createPolicy(spec))?.name).toBe('policy');
    expect(await backend?.baseSnapshot?.()).toMatchObject({ kind: 'engine', version: 0 });
  });

  it('runs wide kernels only when they are asked for', async () => {
    const kinds = [await openEmbedded().kernels(), await openEmbedded({ simd: 'plain' }).kernels()];
    expect(kinds).toEqual([expect.stringMatching(/^(relaxed|plain)$/), 'plain']);
    expect(['plain', 'relaxed', 'wide']).toContain(await openEmbedded({ wideKernels: true }).kernels());
  });

  it('limits training samples and prompts to the context length that was asked for', async () => {
    const capabilities = await open({ contextLength: 16 }).capabilities();
    expect(capabilities.maxSampleTokens).toBe(17);
    await expect(askBase({ input: { prompt: new Int32Array(16) } })).rejects.toThrow(
      'The prompt has 16 tokens and the context is 16',
    );
    const { choices } = await askBase({ input: { prompt: new Int32Array(10) } });
    expect(choices[0]?.tokens.length).toBeLessThanOrEqual(6);
    await expect(open({ contextLength: 97 }).capabilities()).rejects.toMatchObject({ code: 'option-invalid' });
  });

  it.each([1, 2, 3])('samples and trains the same on %i threads as on two', async (threads) => {
    const tokens = Int32Array.from({ length: 30 }, (_, t) => (t * 37) % 300);
    const sample = {
      tokens,
      lossMask: new Uint8Array(30).fill(1, 1),
      logprobs: new Float32Array(30),
      advantages: new Float32Array(30).fill(1, 1),
    };
    const runs: { sampled: CollectedGeneration; logprobs: readonly Float32Array[] }[] = [];
    for (const count of [threads, 2]) {
      const policy = await open({ threads: count }).createPolicy({ name: 'policy', seed: 0 });
      await policy.forwardBackward([sample, sample, sample], { name: 'cross_entropy' });
      await policy.optimStep({ learningRate: 0.01 });
      runs.push({ sampled: await askBase(), logprobs: await policy.forward([sample]) });
      await backend?.close();
    }
    expect(runs[0]?.sampled.choices[0]?.tokens).toEqual(runs[1]?.sampled.choices[0]?.tokens);
    runs[0]?.logprobs[0]?.forEach((value, t) => expect(value).toBeCloseTo(runs[1]?.logprobs[0]?.[t] ?? Number.NaN, 4));
  });

  it('renders the chat with the template of the checkpoint and leaves special tokens out of the text', async () => {
    open();
    const { tokenizer, chatTemplate } = await loadCheckpoint(join(root, 'model'));
    const { prompt, choices } = await askBase({ choices: 8 });
    expect(prompt).toEqual(tokenizer.encode(chatTemplate?.render(messages) ?? '', false));
    for (const { text, tokens } of choices) expect(text).toBe(tokenizer.decode(tokens));
  });

  it('refuses tools that the template would drop', async () => {
    open();
    await expect(askBase({ input: { messages, tools: [{ type: 'function' }] } })).rejects.toMatchObject({
      code: 'option-unsupported',
    });
  });

  it('refuses new calls to a snapshot that two newer ones replaced', async () => {
    const policy = await open().createPolicy({ name: 'policy', seed: 0 });
    const [first, second] = [await policy.publish(1), await policy.publish(2), await policy.publish(3)];
    if (first.kind !== 'engine' || second.kind !== 'engine') throw new TypeError('no engine');
    await expect(collectGeneration(first.engine, { input: { messages } })).rejects.toThrow(
      /Version 1 of policy 'policy' was replaced/,
    );
    expect((await collectGeneration(second.engine, { input: { messages }, maxTokens: 2 })).choices).toHaveLength(1);
  });

  it('ends calls in flight when it closes, and takes no more', async () => {
    const policy = await open().createPolicy({ name: 'policy', seed: 0 });
    const snapshot = await policy.publish(1);
    if (snapshot.kind !== 'engine') throw new TypeError('no engine');
    const events = snapshot.engine.generate({ input: { messages } })[Symbol.asyncIterator]();
    await events.next(); // the prompt; the next event would be sampled
    const cut = expect(events.next()).rejects.toMatchObject({ code: 'backend-closed' });
    await backend?.close();
    await cut;
    await expect(collectGeneration(snapshot.engine, { input: { messages } })).rejects.toMatchObject({
      code: 'backend-closed',
    });
    await expect(policy.optimStep({ learningRate: 0.1 })).rejects.toMatchObject({ code: 'backend-closed' });
  });

  it('refuses to save while a gradient waits, and to replace a directory that is not its own', async () => {
    const policy = await open().createPolicy({ name: 'policy', seed: 0 });
    const sample = {
      tokens: Int32Array.of(1, 2),
      lossMask: Uint8Array.of(0, 1),
      logprobs: new Float32Array(2),
      advantages: Float32Array.of(0, 1),
    };
    await policy.forwardBackward([sample], { name: 'cross_entropy' });
    await expect(policy.saveState(join(root, 'state'))).rejects.toThrow(/call optimStep before saveState/);
    await policy.optimStep({ learningRate: 0.01 });
    await expect(policy.saveState(join(root, 'model'))).rejects.toMatchObject({ code: 'option-invalid' });
    expect(JSON.parse(await readFile(join(root, 'model', 'config.json'), 'utf8'))).toMatchObject({
      model_type: 'llama',
    });
  });

  it('refuses a state of another model', async () => {
    const policy = await open().createPolicy({ name: 'policy', seed: 0 });
    await policy.saveState(join(root, 'state'));
    const path = join(root, 'state', 'state.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"layers": 2', '"layers": 3'));
    await expect(policy.loadState(join(root, 'state'))).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining('its layers is 3'),
    });
  });

  it('trains adapters, writes them as PEFT has them, and resumes them only as they were', async () => {
    const policy = await openEmbedded({ lora: { rank: 4, trainMlp: false } }).createPolicy({ name: 'policy', seed: 3 });
    const tokens = Int32Array.from({ length: 12 }, (_, t) => t * 7);
    const advantages = new Float32Array(12).fill(1, 1);
    const sample = { tokens, lossMask: Uint8Array.from(advantages), logprobs: new Float32Array(12), advantages };
    const before = (await policy.forward([sample]))[0]!;
    await policy.forwardBackward([sample], { name: 'cross_entropy' });
    await policy.optimStep({ learningRate: 0.05 });
    const trained = (await policy.forward([sample]))[0]!;
    expect(trained).not.toEqual(before);
    expect(await policy.forwardBase([sample])).toEqual([before]);

    await policy.exportAdapter(join(root, 'adapter'));
    const config = JSON.parse(await readFile(join(root, 'adapter', 'adapter_config.json'), 'utf8')) as object;
    expect(config).toMatchObject({
      peft_type: 'LORA',
      r: 4,
      lora_alpha: 32,
      target_modules: ['k_proj', 'o_proj', 'q_proj', 'v_proj'],
      base_model_name_or_path: join(root, 'model'),
    });
    const file = await readFile(join(root, 'adapter', 'adapter_model.safetensors'));
    const { tensors } = decodeSafetensors(file, 'adapter');
    expect(tensors.size).toBe(2 * 4 * 2);
    expect(tensors.get('base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight')?.shape).toEqual([8, 4]);

    await policy.saveState(join(root, 'adapter-state'));
    const other = await openEmbedded({ lora: { rank: 8 } }).createPolicy({ name: 'policy', seed: 3 });
    await expect(other.loadState(join(root, 'adapter-state'))).rejects.toMatchObject({ code: 'resume-mismatch' });
    const full = await openEmbedded().createPolicy({ name: 'policy', seed: 3 });
    await expect(full.loadState(join(root, 'adapter-state'))).rejects.toThrow(/this policy's is 'full'/);
    await expect(full.exportAdapter(join(root, 'none'))).rejects.toMatchObject({ code: 'option-unsupported' });

    await policy.exportModel(join(root, 'merged'));
    const merged = await openEmbedded({ model: join(root, 'merged') }).createPolicy({ name: 'policy', seed: 0 });
    for (const [t, value] of (await merged.forward([sample]))[0]!.entries()) expect(value).toBeCloseTo(trained[t]!, 4);
  });
});
