import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TrainingSample } from '@agent-lightning/core';
import { afterEach, describe, expect, it } from 'vitest';
import { naiveLogprobs, naiveModel, naiveSamples, randomStream, toFloat32 } from '../../test/naive-llama.ts';
import { WorkerPool } from '../threads/worker-pool.ts';
import type { WorkerStart } from '../threads/worker-protocol.ts';
import type { LlamaEngineOptions, SampleRequest } from './engine-types.ts';
import { LlamaEngine } from './llama-engine.ts';

const model = naiveModel({
  seed: 2,
  tied: false,
  config: { vocabSize: 29, hiddenSize: 32, intermediateSize: 40, maxPositions: 320 },
});

const engines: LlamaEngine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

async function createEngine(options?: Partial<LlamaEngineOptions>): Promise<LlamaEngine> {
  const engine = await LlamaEngine.create({
    config: model.config,
    weights: toFloat32(model.weights),
    threads: 2,
    ...options,
  });
  engines.push(engine);
  return engine;
}

function promptOf(length: number, seed: number): Int32Array {
  const random = randomStream(seed);
  return Int32Array.from({ length }, () => Math.floor(random() * model.config.vocabSize));
}

interface Choice {
  tokens: number[];
  logprobs: number[];
  finish?: string;
}

/** All choices of a request, whole. */
async function collect(
  engine: LlamaEngine,
  request: Partial<SampleRequest> & Pick<SampleRequest, 'weights'>,
): Promise<Choice[]> {
  const full = {
    prompt: promptOf(9, 1),
    choices: 1,
    temperature: 1,
    maxTokens: 12,
    stopTokens: [],
    seed: 5,
    ...request,
  };
  const choices: Choice[] = Array.from({ length: full.choices }, () => ({ tokens: [], logprobs: [] }));
  for await (const piece of engine.sample(full)) {
    const choice = choices[piece.choice]!;
    expect(choice.finish).toBeUndefined();
    choice.tokens.push(...piece.tokens);
    choice.logprobs.push(...piece.logprobs);
    if (piece.finish) choice.finish = piece.finish;
  }
  return choices;
}

/** A sample that trains on the response. */
function rowOf(prompt: Int32Array, response: readonly number[], temperature = 1): TrainingSample {
  const length = prompt.length + response.length;
  return {
    tokens: Int32Array.of(...prompt, ...response),
    lossMask: Uint8Array.from({ length }, (_, t) => (t < prompt.length ? 0 : 1)),
    logprobs: new Float32Array(length),
    advantages: new Float32Array(length),
    temperature,
  };
}

describe('log-probabilities of sampled tokens', () => {
  it('are those that training computes, for prompts and answers of any length, at any temperature', async () => {
    const engine = await createEngine();
    const weights = engine.snapshot();
    for (const [promptLength, maxTokens, temperature] of [
      [1, 40, 1],
      [8, 30, 0.5],
      [61, 20, 1.3],
      [300, 19, 0.7],
    ] as const) {
      const prompt = promptOf(promptLength, promptLength);
      const [choice] = await collect(engine, { weights, prompt, maxTokens, temperature });
      const [expected] = await engine.forward([rowOf(prompt, choice!.tokens, temperature)]);
      expect(choice!.tokens).toHaveLength(maxTokens);
      for (const [i, logprob] of choice!.logprobs.entries())
        expect(Math.abs(logprob - expected![prompt.length + i]!)).toBeLessThan(1e-5);
    }
  });

  it('are of the distribution at the temperature, normalised over the vocabulary', async () => {
    const engine = await createEngine();
    const weights = engine.snapshot();
    const prompt = promptOf(5, 3);
    const temperature = 0.6;
    const plain = Array.from(
      { length: model.config.vocabSize },
      (_, token) => naiveLogprobs(model.config, model.weights, [...prompt, token])[5]!,
    );
    const normal = Math.log(plain.reduce((sum, lp) => sum + Math.exp(lp / temperature), 0));
    const choices = await collect(engine, { weights, prompt, temperature, choices: 60, maxTokens: 1 });
    for (const { tokens, logprobs } of choices)
      expect(logprobs[0]).toBeCloseTo(plain[tokens[0]!]! / temperature - normal, 4);
  });

  it('are of temperature 1 when greedy, and the token is the likeliest', async () => {
    const engine = await createEngine();
    const prompt = promptOf(7, 4);
    const [choice] = await collect(engine, { weights: engine.snapshot(), prompt, temperature: 0, maxTokens: 5 });
    let context: number[] = [...prompt];
    for (const [i, token] of choice!.tokens.entries()) {
      const logprobs = Array.from({ length: model.config.vocabSize }, (_, other) =>
        naiveLogprobs(model.config, model.weights, [...context, other]).at(-1)!,
      );
      expect(token).toBe(logprobs.indexOf(Math.max(...logprobs)));
      expect(choice!.logprobs[i]).toBeCloseTo(logprobs[token]!, 5);
      context = [...context, token];
    }
  });
});

describe('the sampled distribution', () => {
  it('is that of the model', async () => {
    const engine = await createEngine();
    const prompt = promptOf(6, 8);
    const draws = 6000;
    const choices = await collect(engine, { weights: engine.snapshot(), prompt, choices: draws, maxTokens: 1 });
    const counts = Array.from({ length: model.config.vocabSize }, () => 0);
    for (const { tokens } of choices) counts[tokens[0]!]!++;
    for (const [token, count] of counts.entries()) {
      const p = Math.exp(naiveLogprobs(model.config, model.weights, [...prompt, token]).at(-1)!);
      expect(Math.abs(count - draws * p)).toBeLessThan(5 * Math.sqrt(draws * p * (1 - p)) + 1); // five standard deviations, of fixed draws
    }
  });
});

describe('seeds', () => {
  const requests = Array.from({ length: 24 }, (_, i) => ({
    prompt: promptOf([1, 9, 9, 40, 130][i % 5]!, i % 7),
    temperature: [1, 0.7, 0, 1.3][i % 4]!,
    maxTokens: 3 + ((i * 5) % 25),
    choices: 1 + (i % 3),
    seed: i,
  }));

  it('give the same tokens and log-probabilities alone and among others, on one thread and on three', async () => {
    const alone: Choice[][] = [];
    const single = await createEngine({ threads: 1 });
    for (const request of requests) alone.push(await collect(single, { weights: single.snapshot(), ...request }));
    for (const threads of [1, 2, 3]) {
      const engine = await createEngine({ threads });
      const weights = engine.snapshot();
      const together = await Promise.all(requests.map((request) => collect(engine, { weights, ...request })));
      expect(together).toEqual(alone);
      expect(await Promise.all(requests.map((request) => collect(engine, { weights, ...request })))).toEqual(alone); // from cached prompts
    }
  });

  it('give every choice tokens of its own, the same however many choices there are', async () => {
    const engine = await createEngine();
    const weights = engine.snapshot();
    const five = await collect(engine, { weights, choices: 5 });
    expect(await collect(engine, { weights, choices: 2 })).toEqual(five.slice(0, 2));
    expect(new Set(five.map(({ tokens }) => tokens.join())).size).toBe(5);
    expect(await collect(engine, { weights, choices: 5, seed: 6 })).not.toEqual(five);
  });
});

describe('prompts with a common beginning', () => {
  it('start from what is known and give what they give alone', async () => {
    const long = promptOf(90, 30);
    const prompts = [long, long.slice(0, 33), Int32Array.of(...long.slice(0, 51), 3, 4, 5), Int32Array.of(...long, 7)];
    const warm = await createEngine({ threads: 1 });
    const weights = warm.snapshot();
    for (const prompt of prompts) {
      const cold = await createEngine({ threads: 1 });
      expect(await collect(warm, { weights, prompt })).toEqual(
        await collect(cold, { weights: cold.snapshot(), prompt }),
      );
    }
  });
});

describe('the end of a choice', () => {
  it('is a stop token, which it keeps, or the limit', async () => {
    const engine = await createEngine();
    const weights = engine.snapshot();
    const [free] = await collect(engine, { weights, maxTokens: 20 });
    expect(free).toMatchObject({ finish: 'length', tokens: { length: 20 } });
    const stop = free!.tokens[7]!;
    const [stopped] = await collect(engine, { weights, maxTokens: 20, stopTokens: [stop] });
    const end = free!.tokens.indexOf(stop) + 1;
    expect(stopped).toEqual({
      tokens: free!.tokens.slice(0, end),
      logprobs: free!.logprobs.slice(0, end),
      finish: 'stop',
    });
  });

  it('is the end of the context at the latest', async () => {
    const engine = await createEngine();
    const [choice] = await collect(engine, { weights: engine.snapshot(), prompt: promptOf(315, 1), maxTokens: 1000 });
    expect(choice).toMatchObject({ finish: 'length', tokens: { length: 5 } });
    await expect(collect(engine, { weights: engine.snapshot(), prompt: promptOf(320, 1) })).rejects.toMatchObject({
      code: 'context-exceeded',
    });
  });
});

describe('an abort', () => {
  it('ends its request with the reason, and no other', async () => {
    const engine = await createEngine();
    const weights = engine.snapshot();
    const expected = await collect(engine, { weights, maxTokens: 200, seed: 1 });
    const controller = new AbortController();
    const other = collect(engine, { weights, maxTokens: 200, seed: 1 });
    const aborted = collect(engine, { weights, maxTokens: 300, choices: 4, seed: 2, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    expect(await other).toEqual(expected);
    await expect(collect(engine, { weights, signal: controller.signal })).rejects.toThrow('enough');
  });

  it('comes from leaving the loop as well', async () => {
    const engine = await createEngine();
    const weights = engine.snapshot();
    for await (const piece of engine.sample({
      weights,
      prompt: promptOf(4, 1),
      choices: 3,
      temperature: 1,
      maxTokens: 300,
      stopTokens: [],
      seed: 1,
    })) {
      expect(piece.tokens.length).toBeGreaterThan(0);
      break;
    }
    engine.discard(weights);
    expect(await collect(engine, { weights: engine.snapshot(), maxTokens: 2 })).toHaveLength(1);
  });
});

describe('versions of the weights', () => {
  it('stay what they were while training goes on and others come and go', async () => {
    const engine = await createEngine();
    const samples = naiveSamples(model.config, model.weights, [30, 12], 3);
    const first = engine.snapshot();
    const before = await collect(engine, { weights: first, choices: 3 });
    const logprobs = await engine.forward(samples);
    for (let step = 0; step < 4; step++) {
      const inFlight = collect(engine, { weights: first, choices: 3, maxTokens: 12 });
      await engine.forwardBackward(samples, { name: 'cross_entropy' });
      await engine.optimStep({ learningRate: 0.05 });
      const version = engine.snapshot();
      expect(await collect(engine, { weights: version, choices: 3 })).not.toEqual(before);
      engine.discard(version);
      expect(await inFlight).toEqual(before);
    }
    expect(await engine.forward(samples, first)).toEqual(logprobs);
    expect(await engine.forward(samples)).not.toEqual(logprobs);
  });

  it('are finished by requests in flight after they are discarded, and refused to new ones', async () => {
    const engine = await createEngine();
    const version = engine.snapshot();
    const expected = await collect(engine, { weights: version, maxTokens: 100 });
    const inFlight = collect(engine, { weights: version, maxTokens: 100 });
    engine.discard(version);
    const next = engine.snapshot();
    expect(await inFlight).toEqual(expected);
    await expect(collect(engine, { weights: version })).rejects.toMatchObject({ code: 'backend-failed' });
    expect(await collect(engine, { weights: next, maxTokens: 100 })).toEqual(expected);
  });

  it('with weights that are not finite fail the request with a numerics error', async () => {
    const engine = await createEngine();
    engine.loadWeights(new Map([...toFloat32(model.weights)].map(([name, values]) => [name, values.fill(NaN)])));
    await expect(engine.forward(naiveSamples(model.config, model.weights, [5], 1))).rejects.toMatchObject({
      code: 'numerics',
    });
    await expect(collect(engine, { weights: engine.snapshot() })).rejects.toMatchObject({ code: 'numerics' });
  });
});

describe('a sample request', () => {
  it.each<[string, Partial<SampleRequest>]>([
    ['prompt is empty', { prompt: new Int32Array() }],
    ['prompt[1] is 29', { prompt: Int32Array.of(0, 29) }],
    ['choices is 0', { choices: 0 }],
    ['temperature is -1', { temperature: -1 }],
    ['maxTokens is 0', { maxTokens: 0 }],
    ['seed is 0.5', { seed: 0.5 }],
  ])('refuses "%s"', async (message, request) => {
    const engine = await createEngine({ threads: 1 });
    await expect(collect(engine, { weights: engine.snapshot(), ...request })).rejects.toMatchObject({
      code: 'samples-invalid',
      message: expect.stringContaining(message),
    });
  });
});

describe('threads', () => {
  it('that die fail what is pending with backend-failed', async () => {
    const pool = new WorkerPool([{ thread: 0, threads: 1 } as WorkerStart]); // a worker without a model throws as it starts
    await expect(pool.runAll({ kind: 'pack' })).rejects.toMatchObject({ code: 'backend-failed' });
    await expect(pool.runAll({ kind: 'pack' })).rejects.toMatchObject({ code: 'backend-failed' });
  });

  it('fail pending calls with backend-closed when the engine closes', async () => {
    const engine = await createEngine();
    const weights = engine.snapshot();
    const pending = collect(engine, { weights, maxTokens: 300, choices: 20 });
    const closed = engine.close();
    await expect(pending).rejects.toMatchObject({ code: 'backend-closed' });
    await closed;
    await expect(engine.forward(naiveSamples(model.config, model.weights, [5], 1))).rejects.toMatchObject({
      code: 'backend-closed',
    });
  });

  it.each(['closed', 'left open'])('of an engine that is %s let the process end', (how) => {
    const script = `
      const { LlamaEngine, parameterShapes } = await import(${JSON.stringify(new URL('../index.ts', import.meta.url).href)});
      const config = ${JSON.stringify(model.config)};
      const weights = new Map([...parameterShapes(config)].map(([name, shape]) => [name, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.1)]));
      const engine = await LlamaEngine.create({ config, weights, threads: 2 });
      for await (const piece of engine.sample({ weights: engine.snapshot(), prompt: Int32Array.of(1), choices: 2, temperature: 1, maxTokens: 3, stopTokens: [], seed: 1 })) void piece;
      if (${how === 'closed'}) await engine.close();
      console.log('done');`;
    const cwd = fileURLToPath(new URL('../..', import.meta.url));
    const { stdout, status } = spawnSync(
      process.execPath,
      ['--conditions=@agent-lightning/source', '--input-type=module', '--eval', script],
      { cwd, encoding: 'utf8', timeout: 120_000 },
    );
    expect([stdout.trim(), status]).toEqual(['done', 0]);
  });
});
