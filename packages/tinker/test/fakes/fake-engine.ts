/** The training half of a fake server: sessions, models, saved states, and operations applied once, in order. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AdamParameters, backendChecks } from '@agent-lightning/core';
import { BigramModel, freshState, type BigramState } from './bigram-model.ts';
import { checkTokens, lossOf, nameOf, sampleOf, tokensOf, type Body, type RequestPass } from './fake-requests.ts';
import type { ServerKind } from '../../src/server-kinds.ts';
import { FakeFault, fakeShapes, type FakeShapes } from './fake-shapes.ts';

export interface FakeEngineOptions {
  readonly serverKind: ServerKind;
  readonly modelName: string;
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly seed: number;
  /** What a server that takes only the learning rate from a request has in its configuration. */
  readonly fixedAdam: Partial<AdamParameters>;
  /** Where a worker writes adapters that are saved under a name; undefined: nowhere. */
  readonly adaptersDirectory: string | undefined;
}

/** An operation that changed or read a model, in the order in which it took effect. */
export interface AppliedOperation {
  readonly modelId: string;
  readonly sequence: number;
  readonly route: string;
}

interface LiveModel {
  readonly id: string;
  readonly sessionId: string;
  readonly model: BigramModel;
  /** 0 when every weight trains. */
  readonly rank: number;
  sequence: number;
  /** What each sequence id was, and its future. */
  readonly seen: Map<number, { readonly body: string; requestId: string; readonly result: object | FakeFault }>;
}

interface Sampler {
  readonly sessionId: string;
  /** Frozen weights; or a model, of which only the newest published weights are there. */
  readonly state: BigramState | { readonly liveModelId: string };
}

const adamFields = {
  learning_rate: 'learningRate',
  beta1: 'beta1',
  beta2: 'beta2',
  eps: 'epsilon',
  weight_decay: 'weightDecay',
  grad_clip_norm: 'maxGradientNorm',
} as const;

export class FakeEngine {
  readonly applied: AppliedOperation[] = [];
  readonly #options: FakeEngineOptions;
  readonly #shapes: FakeShapes;
  readonly #base: BigramState;
  readonly #states = new Map<string, BigramState>();
  readonly #exports = new Map<string, BigramState>();
  readonly #published = new Map<string, BigramState>();
  #sessions = new Set<string>();
  #models = new Map<string, LiveModel>();
  #samplers = new Map<string, Sampler>();
  #futures = new Map<string, object | FakeFault>();
  #created = new Map<string, string>();
  #ids = 0;

  constructor(options: FakeEngineOptions) {
    this.#options = options;
    this.#shapes = fakeShapes[options.serverKind];
    this.#base = freshState(options.vocabularySize, options.seed);
  }

  /** The paths of everything that is kept on the disk. */
  get keptPaths(): readonly string[] {
    return [...this.#states.keys(), ...this.#exports.keys()];
  }

  get modelIds(): readonly string[] {
    return [...this.#models.keys()];
  }

  /** A model's weights, shape (V + 1, V). */
  logitsOf(modelId: string): Float64Array | undefined {
    return this.#models.get(modelId)?.model.state.logits;
  }

  exported(modelId: string, name: string): BigramState | undefined {
    return (
      this.#exports.get(`tinker://${modelId}/exports/${name}`) ??
      this.#states.get(`tinker://${modelId}/sampler_weights/${name}`)
    );
  }

  future(requestId: string): object | FakeFault | undefined {
    return this.#futures.get(requestId);
  }

  /** Forgets a future; the operation stays done. */
  forgetFuture(requestId: string): void {
    this.#futures.delete(requestId);
  }

  loseSessions(): void {
    this.#sessions = new Set();
  }

  /** What is on the disk survives; everything in memory is gone. */
  restart(): void {
    this.loseSessions();
    this.#models = new Map();
    this.#samplers = new Map();
    this.#futures = new Map();
    this.#created = new Map();
  }

  createSession(): object {
    const id = this.#newId('session');
    this.#sessions.add(id);
    return { session_id: id, info_message: null, warning_message: null, error_message: null };
  }

  heartbeat({ session_id: id }: Body): object {
    this.#requireSession(id);
    return { type: 'session_heartbeat' };
  }

  createModel(body: Body): string {
    const { session_id: sessionId, base_model: base, model_seq_id: sequence, lora_config: lora } = body;
    this.#requireSession(sessionId);
    if (base !== this.#options.modelName) throw new FakeFault(400, `there is no model ${base}`, 'base_model');
    if (!Number.isInteger(lora?.rank)) throw new FakeFault(400, 'lora_config.rank is missing', 'lora_config.rank');
    const key = `${sessionId}/${sequence}`;
    const known = this.#created.get(key);
    if (known !== undefined && this.#options.serverKind !== 'skyrl') return known;
    const id = this.#newId('model');
    const model = new BigramModel(this.#options.vocabularySize, this.#base);
    const rank = lora!.rank!;
    this.#models.set(id, { id, sessionId: sessionId!, model, rank, sequence: 0, seen: new Map() });
    const requestId = this.#finish({ model_id: id });
    this.#created.set(key, requestId);
    return requestId;
  }

  unloadModel({ model_id: id }: Body): string {
    this.#requireModel(id);
    this.#models.delete(String(id));
    return this.#finish({ model_id: id, type: 'unload_model' });
  }

  createSampler({ session_id: sessionId, base_model: base, model_path: path }: Body): object {
    this.#requireSession(sessionId);
    const served = base === this.#options.modelName ? this.#base : undefined;
    const state = path === undefined ? served : this.#states.get(path);
    if (state === undefined) throw new FakeFault(404, `nothing to sample at ${path ?? base}`, 'base_model');
    const id = this.#newId('sampler');
    this.#samplers.set(id, { sessionId: sessionId!, state });
    return { type: 'create_sampling_session', sampling_session_id: id };
  }

  unloadSampler({ sampling_session_id: id }: Body): object {
    this.#samplers.delete(String(id));
    return {};
  }

  sample(body: Body): string {
    const sampler = this.#samplers.get(String(body.sampling_session_id));
    if (sampler === undefined) throw new FakeFault(404, 'Sampling session not found', 'sampling_session_id');
    const { max_tokens: maxTokens, seed = 0, stop = [], temperature = 1 } = body.sampling_params ?? {};
    if (maxTokens === undefined || !(Number.isInteger(maxTokens) && maxTokens > 0))
      throw new FakeFault(400, 'max_tokens is required', 'max_tokens');
    const prompt = tokensOf(body.prompt);
    checkTokens(prompt, this.#options.vocabularySize, 'prompt');
    if (prompt.length + maxTokens > this.#options.contextLength + 2)
      throw new FakeFault(400, 'the prompt leaves no room', 'prompt', 'context-exceeded');
    const model = new BigramModel(this.#options.vocabularySize, this.#stateOf(sampler));
    const sequences = Array.from({ length: body.num_samples ?? 1 }, (_, choice) =>
      model.sample(prompt, { seed: seed + 1_000_003 * choice, temperature, maxTokens, stop }),
    );
    const reports = body.prompt_logprobs === true && this.#options.serverKind !== 'skyrl';
    const promptLogprobs = reports
      ? { prompt_logprobs: [null, ...model.logprobs(prompt, body.prompt_logprobs_temperature)] }
      : {};
    return this.#finish({ sequences, ...promptLogprobs });
  }

  /** An operation of a model, applied at once and at most once; its future. */
  operate(route: string, body: Body): string {
    const live = this.#requireModel(body.model_id);
    const sequence = body.seq_id ?? 0;
    const isNumbered = this.#options.serverKind !== 'skyrl'; // which does everything again that is sent again
    const text = JSON.stringify({ route, ...body });
    const seen = live.seen.get(sequence);
    if (seen !== undefined && isNumbered) {
      if (seen.body !== text) throw new FakeFault(409, `seq_id ${sequence} was another request`, 'seq_id');
      // The worker forgets a result for good; a Tinker server gives a new future for it.
      if (this.#options.serverKind === 'tinker' && !this.#futures.has(seen.requestId))
        seen.requestId = this.#finish(seen.result);
      return seen.requestId;
    }
    if (isNumbered && sequence <= live.sequence) throw new FakeFault(409, `seq_id ${sequence} is over`, 'seq_id');
    const result = this.#apply(route, live, body);
    const requestId = this.#finish(result);
    live.sequence = Math.max(live.sequence, sequence);
    live.seen.set(sequence, { body: text, requestId, result });
    this.applied.push({ modelId: live.id, sequence, route });
    return requestId;
  }

  /** Whether a path is there to be loaded. */
  requireState(path: string): object {
    if (!this.#states.has(path))
      throw new FakeFault(404, `Checkpoint not found: ${path}`, 'path', 'checkpoint-corrupt');
    return { base_model: this.#options.modelName, is_lora: true, lora_rank: 32 };
  }

  deleteState(path: string): void {
    if (this.#exports.delete(path)) return;
    this.requireState(path);
    this.#states.delete(path);
    const { adaptersDirectory } = this.#options;
    if (adaptersDirectory !== undefined)
      rmSync(join(adaptersDirectory, path.split('/').at(-1)!), { recursive: true, force: true });
  }

  /** Throws for what is refused before it is accepted; returns a fault for what fails later. */
  #apply(route: string, live: LiveModel, body: Body): object | FakeFault {
    const { model } = live;
    switch (route) {
      case 'forward':
        return this.#pass(live, body.forward_input, false);
      case 'forward_backward':
        return this.#pass(live, body.forward_backward_input, true);
      case 'optim_step': {
        const adam = this.#adamOf(body.adam_params ?? {});
        const norm = model.step(adam);
        return this.#shapes.step(norm, model.state.step, adam.learningRate) as object;
      }
      case 'save_weights':
        return { path: this.#keep(`tinker://${live.id}/weights/${nameOf(body)}`, model.state), type: route };
      case 'save_weights_for_sampler':
        return this.#saveForSampler(live, body);
      case 'load_weights': {
        const inPlace = this.#options.serverKind === 'worker';
        if (!inPlace && live.sequence > 0) throw new FakeFault(400, 'LoadWeights is not permitted here', 'seq_id');
        const path = String(body.path);
        this.requireState(path);
        if (body.optimizer !== true) throw new FakeFault(400, 'the optimizer is always loaded here', 'optimizer');
        model.state = this.#states.get(path)!;
        model.dropGradient();
        return { type: route };
      }
      case 'export_model': {
        const path = `tinker://${live.id}/exports/${nameOf(body)}`;
        this.#exports.set(path, model.state);
        return { path, files: [] };
      }
      default:
        throw new FakeFault(404, `no operation ${route}`);
    }
  }

  #saveForSampler(live: LiveModel, body: Body): object {
    const { state } = live.model;
    if (body.path !== undefined) {
      const path = this.#keep(`tinker://${live.id}/sampler_weights/${nameOf(body)}`, state);
      return { ...(this.#shapes.samplerSaved(path, undefined) as object), ...this.#writeAdapter(live, nameOf(body)) };
    }
    const { sampling_session_seq_id: sequence } = body;
    if (!Number.isInteger(sequence)) throw new FakeFault(400, 'path or sampling_session_seq_id is missing', 'path');
    const isOneLive = this.#options.serverKind === 'skyrl';
    const path = `tinker://${live.id}/sampler_weights/ss${sequence}_seq${body.seq_id}`;
    if (isOneLive) {
      this.#keep(path, state);
      this.#published.set(live.id, state);
    }
    const id = this.#newId('sampler');
    this.#samplers.set(id, { sessionId: live.sessionId, state: isOneLive ? { liveModelId: live.id } : state });
    return this.#shapes.samplerSaved(path, id) as object;
  }

  /** The files that vLLM looks for in an adapter's directory. */
  #writeAdapter({ rank }: LiveModel, name: string): { readonly adapter_directory?: string } {
    const { adaptersDirectory } = this.#options;
    if (adaptersDirectory === undefined || rank === 0) return {};
    const directory = join(adaptersDirectory, name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'adapter_config.json'), JSON.stringify({ r: rank }));
    writeFileSync(join(directory, 'adapter_model.safetensors'), '');
    return { adapter_directory: directory };
  }

  #pass({ model }: LiveModel, input: RequestPass | undefined, backward: boolean): object | FakeFault {
    if (input === undefined) throw new FakeFault(400, 'the input is missing', 'forward_backward_input');
    const loss = lossOf(input);
    const samples = input.data.map((datum) => sampleOf(datum, loss.name, this.#options));
    const isWorker = this.#options.serverKind === 'worker';
    const sum = backward ? model.backwardAll(samples, loss, isWorker) : 0;
    if (isWorker && !Number.isFinite(sum)) return new FakeFault(500, `the loss is ${sum}`, '', 'numerics');
    return this.#shapes.pass({
      logprobs: samples.map((sample) => model.logprobs(sample.tokens, sample.temperature)),
      loss: backward ? sum : undefined,
      entropy: samples.reduce((total, sample) => total + model.entropy(sample), 0),
      trainedTokens: samples.reduce(
        (total, sample) => total + sample.lossMask.reduce((ones, mask) => ones + mask, 0),
        0,
      ),
    }) as object;
  }

  #adamOf(params: Readonly<Record<string, number>>): Required<AdamParameters> {
    const given = Object.entries(params).map(([name, value]) => [adamFields[name as keyof typeof adamFields], value]);
    if (given.some(([name]) => name === undefined)) throw new FakeFault(400, 'unknown field', 'adam_params');
    const asked = Object.fromEntries(given) as Partial<AdamParameters> & { learningRate: number };
    // The SDK's default; a client that relies on another must say so.
    const defaults = { ...backendChecks.adamDefaults, epsilon: 1e-12 };
    return { ...defaults, ...asked, ...this.#options.fixedAdam };
  }

  #keep(path: string, state: BigramState): string {
    if (this.#states.has(path) && this.#options.serverKind === 'skyrl')
      throw new FakeFault(409, `Checkpoint '${path}' already exists`, 'path');
    this.#states.set(path, state);
    return path;
  }

  #stateOf({ state }: Sampler): BigramState {
    return 'liveModelId' in state ? this.#published.get(state.liveModelId)! : state;
  }

  #requireSession(id: unknown): void {
    if (!this.#sessions.has(String(id))) throw new FakeFault(404, 'Session not found', 'session_id');
  }

  #requireModel(id: unknown): LiveModel {
    const live = this.#models.get(String(id));
    if (live === undefined) throw new FakeFault(404, 'Model not found', 'model_id');
    return live;
  }

  #finish(result: object): string {
    const id = String(++this.#ids);
    this.#futures.set(id, result);
    return id;
  }

  #newId(kind: string): string {
    return `${kind}-${++this.#ids}`;
  }
}
