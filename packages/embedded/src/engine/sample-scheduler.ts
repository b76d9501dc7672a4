/** Schedules sample requests on the main thread: checks them, distributes their choices over workers, and yields the pieces in order. */
import { BackendError } from '@agent-lightning/core';
import type { Address } from '../kernels/kernels.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import type { WorkerPool } from '../threads/worker-pool.ts';
import type { SampledPiece, SampleRequest } from './engine-types.ts';

/** The number of sequences that a prompt's last worker may have more than the least loaded one and still get the prompt again. */
const affinitySlack = 4;
/** The number of prompts whose worker is remembered. */
const rememberedPrompts = 256;

/** Distributes the choices of sample requests over the workers. */
export class SampleScheduler {
  readonly #config: LlamaConfig;
  readonly #pool: WorkerPool;
  /** Sequences in flight by worker. */
  readonly #load: number[];
  /** The worker that each prompt went to last, oldest first. */
  readonly #workerOfPrompt = new Map<string, number>();
  #nextSample = 0;

  constructor(config: LlamaConfig, pool: WorkerPool) {
    this.#config = config;
    this.#pool = pool;
    this.#load = Array.from({ length: pool.threads }, () => 0);
  }

  async *sample(request: SampleRequest, forward: Address): AsyncGenerator<SampledPiece, void> {
    checkRequest(request, this.#config);
    request.signal?.throwIfAborted();
    const sample = this.#nextSample++;
    const queue = new PieceQueue<SampledPiece>();
    const assigned = this.#assign(request);
    const open = new Set(Array.from({ length: request.choices }, (_, choice) => choice));
    const close = (choice: number): void => {
      if (open.delete(choice)) this.#load[assigned[choice]!]!--;
    };
    const onAbort = (): void => queue.fail(request.signal!.reason);

    this.#pool.listen(sample, {
      pieces: ({ choice, tokens, logprobs, finish }) => {
        if (finish) close(choice);
        queue.put({ choice, tokens, logprobs, ...(finish && { finish }) });
      },
      failed: (error) => queue.fail(error),
    });
    request.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      for (const [thread, choices] of groupByWorker(assigned, this.#load.length)) {
        this.#pool.sample(thread, {
          kind: 'sample',
          sample,
          version: request.weights.id,
          forward,
          prompt: request.prompt,
          choices,
          temperature: request.temperature,
          maxTokens: Math.min(request.maxTokens, this.#config.maxPositions - request.prompt.length),
          stopTokens: request.stopTokens,
          seed: request.seed,
        });
      }
      let finished = 0;
      while (finished < request.choices) {
        const piece = await queue.take();
        if (piece.finish) finished++;
        yield piece;
      }
    } finally {
      request.signal?.removeEventListener('abort', onAbort);
      this.#pool.unlisten(sample);
      if (open.size > 0) this.#pool.broadcast({ kind: 'abort', sample });
      for (const choice of open) close(choice);
    }
  }

  /** Returns the worker of each choice: the one that has the prompt, unless that would leave others idle. */
  #assign(request: SampleRequest): number[] {
    const key = request.weights.id + ':' + request.prompt.join();
    return Array.from({ length: request.choices }, () => {
      const least = this.#load.indexOf(Math.min(...this.#load));
      const previous = this.#workerOfPrompt.get(key);
      const thread =
        previous !== undefined && this.#load[previous]! <= this.#load[least]! + affinitySlack ? previous : least;
      this.#workerOfPrompt.delete(key);
      this.#workerOfPrompt.set(key, thread);
      if (this.#workerOfPrompt.size > rememberedPrompts)
        this.#workerOfPrompt.delete(this.#workerOfPrompt.keys().next().value!);
      this.#load[thread]!++;
      return thread;
    });
  }
}

function groupByWorker(assigned: readonly number[], threads: number): [thread: number, choices: number[]][] {
  const groups = Array.from({ length: threads }, (_, thread): [number, number[]] => [thread, []]);
  for (const [choice, thread] of assigned.entries()) groups[thread]![1].push(choice);
  return groups.filter(([, choices]) => choices.length > 0);
}

/** A queue with one reader. */
class PieceQueue<Item> {
  readonly #items: Item[] = [];
  #failure: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;

  put(item: Item): void {
    this.#items.push(item);
    this.#wake?.();
  }

  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#wake?.();
  }

  /** Returns the next item, and waits for it when there is none. @throws the reason of `fail`, at once */
  async take(): Promise<Item> {
    for (;;) {
      if (this.#failure) throw this.#failure.reason;
      const item = this.#items.shift();
      if (item !== undefined) return item;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function checkRequest(request: SampleRequest, config: LlamaConfig): void {
  const fail = (what: string): never => {
    throw new BackendError(`A sample request: ${what}.`, { code: 'samples-invalid' });
  };
  const { prompt, choices, temperature, maxTokens, seed } = request;
  if (prompt.length === 0) fail('prompt is empty; it needs at least one token');
  const bad = prompt.findIndex((token) => !(token >= 0 && token < config.vocabSize));
  if (bad >= 0) fail(`prompt[${bad}] is ${prompt[bad]}; ids of this model are 0 to ${config.vocabSize - 1}`);
  if (!Number.isSafeInteger(choices) || choices < 1) fail(`choices is ${choices}; it must be an integer from 1`);
  if (!Number.isFinite(temperature) || temperature < 0)
    fail(`temperature is ${temperature}; it must be a finite number from 0`);
  if (!Number.isSafeInteger(maxTokens) || maxTokens < 1)
    fail(`maxTokens is ${maxTokens}; it must be an integer from 1`);
  if (!Number.isSafeInteger(seed) || seed < 0) fail(`seed is ${seed}; it must be an integer from 0`);
  if (prompt.length >= config.maxPositions) {
    throw new BackendError(
      `A prompt of ${prompt.length} tokens leaves no room in a context of ${config.maxPositions}. Shorten it.`,
      { code: 'context-exceeded' },
    );
  }
}
