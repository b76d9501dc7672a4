import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { saveCheckpoint } from '../src/checkpoint/checkpoint.ts';
import { encodeSafetensors } from '../src/checkpoint/safetensors.ts';
import { createCheckpoint, decodeSafetensors, loadCheckpoint, openCheckpoint, type Tensor } from '../src/index.ts';
import { createTinyCheckpoint, tinyCheckpointOptions } from './tiny-checkpoint.ts';

let root: string;
let model: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'checkpoint-'));
  await createTinyCheckpoint(join(root, 'tiny'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  model = join(root, 'model');
  await rm(model, { recursive: true, force: true });
  await cp(join(root, 'tiny'), model, { recursive: true });
});

const edit = async (name: string, change: (json: Record<string, unknown>) => unknown): Promise<void> => {
  const json = JSON.parse(await readFile(join(model, name), 'utf8')) as Record<string, unknown>;
  await writeFile(join(model, name), JSON.stringify(change(json)));
};
const editTensors = async (change: (tensors: Map<string, Tensor>) => void): Promise<void> => {
  const tensors = new Map(decodeSafetensors(await readFile(join(model, 'model.safetensors')), 'model').tensors);
  change(tensors);
  await writeFile(join(model, 'model.safetensors'), encodeSafetensors(tensors));
};

describe('createCheckpoint', () => {
  it('writes a directory that loads, with tied embeddings and the end token', async () => {
    const { config, weights, eosTokenIds, tokenizer, chatTemplate } = await loadCheckpoint(model);
    expect(config).toMatchObject({
      vocabSize: 300,
      hiddenSize: 16,
      keyValueHeads: 1,
      headSize: 8,
      maxPositions: 96,
      tieWordEmbeddings: true,
    });
    expect([...weights.keys()]).not.toContain('lm_head.weight');
    expect(eosTokenIds).toEqual([tokenizer.idOf('<|end|>')]);
    expect(chatTemplate?.render([{ role: 'user', content: 'hi' }])).toBe('<|user|>hi<|end|><|assistant|>');
  });

  it('draws weights by the seed: matrices of deviation 0.02, residual projections smaller, norms 1', async () => {
    const wide = {
      ...tinyCheckpointOptions(join(root, 'wide')),
      config: { ...tinyCheckpointOptions('').config, hiddenSize: 64, intermediateSize: 128, layers: 8 },
    };
    await createCheckpoint(wide);
    const { weights } = await loadCheckpoint(wide.directory);
    const deviation = (name: string): number => {
      const values = weights.get(name) ?? new Float32Array();
      return Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
    };
    expect(deviation('model.layers.0.mlp.gate_proj.weight')).toBeCloseTo(0.02, 3);
    expect(deviation('model.layers.0.mlp.down_proj.weight')).toBeCloseTo(0.02 / 4, 3);
    expect(new Set(weights.get('model.norm.weight'))).toEqual(new Set([1]));
    const bytes = await readFile(join(wide.directory, 'model.safetensors'));
    await createCheckpoint(wide);
    expect((await readFile(join(wide.directory, 'model.safetensors'))).equals(bytes)).toBe(true);
    await createCheckpoint({ ...wide, seed: 8 });
    expect((await readFile(join(wide.directory, 'model.safetensors'))).equals(bytes)).toBe(false);
  });

  it('refuses what makes no model, before it writes anything', async () => {
    const options = tinyCheckpointOptions(join(root, 'never'));
    await expect(createCheckpoint({ ...options, endTokens: ['</s>'] })).rejects.toThrow(/no token '<\/s>'/);
    await expect(createCheckpoint({ ...options, endTokens: [] })).rejects.toMatchObject({ code: 'option-invalid' });
    await expect(createCheckpoint({ ...options, seed: 0.5 })).rejects.toMatchObject({ code: 'option-invalid' });
    await expect(createCheckpoint({ ...options, config: { ...options.config, vocabSize: 10 } })).rejects.toThrow(
      /tokenizer has 300 ids/,
    );
    await expect(
      createCheckpoint({ ...options, config: { ...options.config, keyValueHeads: 3 } }),
    ).rejects.toMatchObject({ code: 'checkpoint-corrupt' });
    const narrow = { ...options.config, hiddenSize: 12, headSize: 6 };
    await expect(createCheckpoint({ ...options, config: narrow })).rejects.toMatchObject({
      code: 'checkpoint-unsupported',
    });
    await expect(readFile(options.directory)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('loadCheckpoint', () => {
  it('reads shards that an index lists', async () => {
    const whole = await loadCheckpoint(model);
    const { tensors } = decodeSafetensors(await readFile(join(model, 'model.safetensors')), 'model');
    const names = [...tensors.keys()];
    const shards = { 'a.safetensors': names.slice(0, 5), 'b.safetensors': names.slice(5) };
    for (const [file, members] of Object.entries(shards)) {
      await writeFile(
        join(model, file),
        encodeSafetensors(new Map(members.map((name) => [name, tensors.get(name) as Tensor]))),
      );
    }
    const weightMap = Object.fromEntries(
      Object.entries(shards).flatMap(([file, members]) => members.map((name) => [name, file])),
    );
    await rm(join(model, 'model.safetensors'));
    await writeFile(join(model, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
    expect((await loadCheckpoint(model)).weights).toEqual(whole.weights);
    await rm(join(model, 'b.safetensors'));
    await expect(loadCheckpoint(model)).rejects.toThrow(/lists 'b.safetensors', which is not there/);
  });

  it('takes the end tokens of generation_config.json first', async () => {
    await edit('generation_config.json', (json) => ({ ...json, eos_token_id: [0, 2] }));
    expect((await loadCheckpoint(model)).eosTokenIds).toEqual([0, 2]);
    await rm(join(model, 'generation_config.json'));
    expect((await loadCheckpoint(model)).eosTokenIds).toEqual([0]);
  });

  it('works without a chat template', async () => {
    await edit('tokenizer_config.json', (json) => ({ ...json, chat_template: null }));
    expect((await loadCheckpoint(model)).chatTemplate).toBeUndefined();
  });

  it('says what it expects in a directory that is none, or lacks a file', async () => {
    await expect(loadCheckpoint(join(root, 'nowhere'))).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining('Expected there: config.json, tokenizer.json'),
    });
    await rm(join(model, 'model.safetensors'));
    await expect(loadCheckpoint(model)).rejects.toThrow(/has no model.safetensors and no model.safetensors.index.json/);
  });

  it('names a tensor that is missing, misshapen, too many or not finite', async () => {
    const norm = 'model.norm.weight';
    const cases: [(tensors: Map<string, Tensor>) => void, string][] = [
      [(tensors) => tensors.delete(norm), "'model.norm.weight' is missing"],
      [
        (tensors) => tensors.set(norm, { shape: [4, 4], data: new Float32Array(16) }),
        'has shape [4, 4]; [16] was expected',
      ],
      [
        (tensors) => tensors.set('lm_head.weight', { shape: [1], data: new Float32Array(1) }),
        "'lm_head.weight' belongs to no parameter",
      ],
      [
        (tensors) => tensors.set(norm, { shape: [16], data: new Float32Array(16).fill(1).with(3, Number.NaN) }),
        "'model.norm.weight' holds NaN at 3",
      ],
    ];
    for (const [change, message] of cases) {
      await cp(join(root, 'tiny', 'model.safetensors'), join(model, 'model.safetensors'));
      await editTensors(change);
      await expect(loadCheckpoint(model)).rejects.toMatchObject({
        code: 'checkpoint-corrupt',
        message: expect.stringContaining(message),
      });
    }
  });

  it('takes a tied head that is stored as well when it equals the embeddings, and names one that differs', async () => {
    const whole = await loadCheckpoint(model);
    const store = (change: (data: Float32Array) => Float32Array): Promise<void> =>
      editTensors((tensors) => {
        const { shape, data } = tensors.get('model.embed_tokens.weight') as Tensor;
        tensors.set('lm_head.weight', { shape, data: change(data) });
      });
    await store((data) => data);
    expect((await loadCheckpoint(model)).weights).toEqual(whole.weights);
    await store((data) => data.with(7, 1));
    await expect(loadCheckpoint(model)).rejects.toThrow(/'lm_head.weight' and 'model.embed_tokens.weight' differ/);
  });

  it('reads any range of a parameter, and notices a file that was cut meanwhile', async () => {
    const { source } = await openCheckpoint(model);
    const { weights } = await loadCheckpoint(model);
    const name = 'model.layers.1.mlp.down_proj.weight';
    expect(await source.read(name, 5, 9)).toEqual(weights.get(name)?.slice(5, 14));
    await truncate(join(model, 'model.safetensors'), 3000);
    await expect(source.read(name, 5, 9)).rejects.toThrow(/it has changed since it was opened/);
  });

  it('names a tokenizer with more ids than the model, and a broken JSON file', async () => {
    await edit('config.json', (json) => ({ ...json, vocab_size: 299 }));
    await expect(loadCheckpoint(model)).rejects.toThrow(/ids up to 299 and config.json has vocab_size 299/);
    await writeFile(join(model, 'config.json'), '{');
    await expect(loadCheckpoint(model)).rejects.toThrow(/config.json: it is not JSON/);
  });
});

describe('saveCheckpoint', () => {
  it('writes the same files again, and a type that matches the data', async () => {
    await edit('config.json', (json) => ({ ...json, torch_dtype: 'bfloat16', custom_note: 'kept' }));
    const { config, companions, weights } = await loadCheckpoint(model);
    await saveCheckpoint(join(root, 'copy'), config, companions, weights);
    expect((await loadCheckpoint(join(root, 'copy'))).weights).toEqual(weights);
    const written = JSON.parse(await readFile(join(root, 'copy', 'config.json'), 'utf8')) as object;
    expect(written).toMatchObject({ torch_dtype: 'float32', custom_note: 'kept' });
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json']) {
      expect(await readFile(join(root, 'copy', name), 'utf8')).toBe(await readFile(join(model, name), 'utf8'));
    }
  });
});
