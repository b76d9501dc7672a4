/** Samples by continuous batching: every step advances all sequences by one token, and prompts by the room that is left in the pass. */
import { describeFailure, EngineFault, type Failure } from '../kernels/engine-fault.ts';
import type { Address } from '../kernels/kernels.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import type { Model } from '../model/layer-forward.ts';
import { uniformAt } from '../random/counter-random.ts';
import { KeyValueCache } from './key-value-cache.ts';
import { PromptCache, type Prompt } from './prompt-cache.ts';
import type { JobPiece, SampleJob } from './sample-job.ts';
import { passTokens, SamplingPass, type Span } from './sampling-pass.ts';

/** Sequences that advance together: enough to fill the register tiles, few enough that their keys and values stay in the cache. More wait. */
const mostSequences = 32;
/** Tokens of unfinished sequences are sent at least this often. */
const flushMs = 10;

/** One choice of one request, from its first token on. */
interface Sequence {
  readonly job: SampleJob;
  readonly choice: number;
  readonly stops: ReadonlySet<number>;
  readonly cache: KeyValueCache;
  readonly logits: Address;
  /** Tokens in the cache; the newest token is not. */
  length: number;
  /** Tokens sampled so far. */
  sampled: number;
  readonly newest: Int32Array;
  tokens: number[];
  logprobs: number[];
}

/** A choice that waits for its prompt or for a place. */
interface Waiting {
  readonly job: SampleJob;
  readonly choice: number;
  readonly prompt: Prompt;
}

export interface SamplerEvents {
  pieces(pieces: readonly JobPiece[]): void;
  failed(sample: number, failure: Failure): void;
}

/** Samples the choices that this thread was given. */
export class Sampler {
  readonly #model: Model;
  readonly #heap: SharedHeap;
  readonly #events: SamplerEvents;
  readonly #pass: SamplingPass;
  readonly #prompts: PromptCache;
  readonly #logprob: Float32Array;
  #waiting: Waiting[] = [];
  #active: Sequence[] = [];
  #flushedAt = 0;

  constructor(model: Model, heap: SharedHeap, events: SamplerEvents) {
    this.#model = model;
    this.#heap = heap;
    this.#events = events;
    this.#pass = new SamplingPass(model, heap);
    this.#prompts = new PromptCache(model, heap);
    this.#logprob = new Float32Array(model.memory.buffer, heap.allocate(4), 1);
  }

  get busy(): boolean {
    return this.#active.length + this.#waiting.length > 0;
  }

  add(job: SampleJob): void {
    try {
      for (const choice of job.choices) this.#waiting.push({ job, choice, prompt: this.#prompts.use(job) });
    } catch (error) {
      this.#fail(job, error);
    }
  }

  abort(sample: number): void {
    this.#remove((job) => job.sample === sample);
  }

  /** Discards everything that was computed with the weights of `version`. */
  forget(version: number): void {
    this.#remove((job) => job.version === version);
    this.#prompts.forget(version);
  }

  /** Frees the prompts that nobody waits for, and tells whether there were any. */
  reclaim(): boolean {
    return this.#prompts.reclaim();
  }

  /** Runs one pass for each version in use, and samples one token for every sequence that got logits. */
  step(): void {
    this.#admit();
    for (const version of new Set([...this.#active, ...this.#waiting].map(({ job }) => job.version)))
      this.#advance(version);
    this.#flush();
  }

  /** Starts waiting choices whose prompt is in the cache, first come, first served. */
  #admit(): void {
    const still: Waiting[] = [];
    for (const waiting of this.#waiting) {
      const isReady = waiting.prompt.done === waiting.prompt.tokens.length;
      if (!isReady || this.#active.length >= mostSequences || !this.#start(waiting)) still.push(waiting);
    }
    this.#waiting = still;
  }

  /** Starts a choice. Returns false when memory is short and sequences in flight will free some. */
  #start({ job, choice, prompt }: Waiting): boolean {
    const room = job.prompt.length + job.maxTokens;
    const logitBytes = this.#model.widths.logits * 4;
    let sequence: Sequence;
    try {
      sequence = {
        job,
        choice,
        stops: new Set(job.stopTokens),
        cache: new KeyValueCache(this.#model, this.#heap, room),
        logits: this.#heap.allocate(logitBytes),
        length: job.prompt.length,
        sampled: 0,
        newest: new Int32Array(1),
        tokens: [],
        logprobs: [],
      };
    } catch (error) {
      // A prompt that nobody waits for is given up first; then sequences in flight are waited for.
      if (this.#prompts.reclaim() || this.#active.length > 0) return false;
      this.#fail(job, error);
      return true;
    }
    sequence.cache.copyFrom(prompt.cache, job.prompt.length);
    this.#active.push(sequence);
    this.#draw(sequence, prompt.logits);
    this.#prompts.release(prompt);
    return true;
  }

  #advance(version: number): void {
    const sequences = this.#active.filter(({ job }) => job.version === version);
    const spans: Span[] = sequences.map(({ cache, newest, length, logits }) => ({
      cache,
      tokens: newest,
      from: 0,
      count: 1,
      position: length,
      logits,
    }));
    let room = passTokens - spans.length;
    let forward = sequences[0]?.job.forward;
    const grown = new Map<Prompt, number>();
    for (const { job, prompt } of this.#waiting) {
      const left = prompt.tokens.length - prompt.done;
      if (job.version !== version || left === 0 || room === 0 || grown.has(prompt)) continue;
      const count = Math.min(left, room);
      spans.push({
        cache: prompt.cache,
        tokens: prompt.tokens,
        from: prompt.done,
        count,
        position: prompt.done,
        logits: count === left ? prompt.logits : undefined,
      });
      grown.set(prompt, count);
      room -= count;
      forward = job.forward;
    }
    if (forward === undefined || spans.length === 0) return;
    this.#pass.run(forward, spans);
    for (const [prompt, count] of grown) prompt.done += count;
    for (const sequence of sequences) {
      sequence.length++;
      this.#draw(sequence, sequence.logits);
    }
  }

  /** Samples the sequence's next token from `logits`; ends it on a stop token or its limit. */
  #draw(sequence: Sequence, logits: Address): void {
    const { job, choice } = sequence;
    const uniform = job.temperature > 0 ? uniformAt(job.seed, choice, sequence.sampled) : 0;
    const token = this.#model.kernels.sampleToken(
      this.#model.config.vocabSize,
      logits,
      job.temperature,
      uniform,
      this.#logprob.byteOffset,
    );
    if (token < 0) {
      this.#fail(
        job,
        new EngineFault(
          'numerics',
          `The model's logits are not finite at token ${sequence.length} of a sample: its weights have diverged.`,
        ),
      );
      return;
    }
    sequence.newest[0] = token;
    sequence.sampled++;
    sequence.tokens.push(token);
    sequence.logprobs.push(this.#logprob[0]!);
    if (sequence.stops.has(token)) this.#finish(sequence, 'stop');
    else if (sequence.sampled >= job.maxTokens) this.#finish(sequence, 'length');
  }

  #finish(sequence: Sequence, finish: 'stop' | 'length'): void {
    this.#events.pieces([{ ...takePiece(sequence), finish }]);
    this.#active = this.#active.filter((other) => other !== sequence);
    this.#free(sequence);
  }

  #flush(): void {
    const now = performance.now();
    if (now - this.#flushedAt < flushMs) return;
    this.#flushedAt = now;
    const pieces = this.#active.filter(({ tokens }) => tokens.length > 0).map(takePiece);
    if (pieces.length > 0) this.#events.pieces(pieces);
  }

  #fail(job: SampleJob, error: unknown): void {
    this.abort(job.sample);
    this.#events.failed(job.sample, describeFailure(error));
  }

  #remove(matches: (job: SampleJob) => boolean): void {
    for (const sequence of this.#active) if (matches(sequence.job)) this.#free(sequence);
    for (const waiting of this.#waiting) if (matches(waiting.job)) this.#prompts.release(waiting.prompt);
    this.#active = this.#active.filter(({ job }) => !matches(job));
    this.#waiting = this.#waiting.filter(({ job }) => !matches(job));
  }

  #free(sequence: Sequence): void {
    sequence.cache.free();
    this.#heap.free(sequence.logits, this.#model.widths.logits * 4);
  }
}

function takePiece(sequence: Sequence): JobPiece {
  const piece = {
    sample: sequence.job.sample,
    choice: sequence.choice,
    tokens: Int32Array.from(sequence.tokens),
    logprobs: Float32Array.from(sequence.logprobs),
  };
  sequence.tokens = [];
  sequence.logprobs = [];
  return piece;
}
