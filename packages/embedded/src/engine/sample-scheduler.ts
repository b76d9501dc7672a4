/** Takes sample requests on the main thread: checks them, deals their choices to workers, and hands the pieces out in order. */
import { BackendError } from '@agent-lightning/core';
import type { Address } from '../kernels/kernels.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import type { WorkerPool } from '../threads/worker-pool.ts';
import type { SampledPiece, SampleRequest } from './engine-types.ts';

/** A prompt goes where it went before unless that worker has this many sequences more than the least loaded. */
const affinitySlack = 4;
/** Prompts remembered for that. */
const rememberedPrompts = 256;

export class SampleScheduler {
  readonly #config: LlamaConfig;
  readonly #pool: WorkerPool;
  /** Sequences in flight by worker. */
  readonly #load: number[];
  /** Where prompts went last, oldest first. */
  readonly #homes = new Map<string, number>();
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
    const inbox = new Inbox<SampledPiece>();
    const homes = this.#deal(request);
    const open = new Set(Array.from({ length: request.choices }, (_, choice) => choice));
    const close = (choice: number): void => {
      if (open.delete(choice)) this.#load[homes[choice]!]!--;
    };
    const onAbort = (): void => inbox.fail(request.signal!.reason);

    this.#pool.listen(sample, {
      pieces: ({ choice, tokens, logprobs, finish }) => {
        if (finish) close(choice);
        inbox.put({ choice, tokens, logprobs, ...(finish && { finish }) });
      },
      failed: (error) => inbox.fail(error),
    });
    request.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      for (const [thread, choices] of groupByHome(homes, this.#load.length)) {
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
        const piece = await inbox.take();
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

  /** The worker of each choice: together where the prompt already is, unless that would leave others idle. */
  #deal(request: SampleRequest): number[] {
    const key = request.weights.id + ':' + request.prompt.join();
    return Array.from({ length: request.choices }, () => {
      const least = this.#load.indexOf(Math.min(...this.#load));
      const home = this.#homes.get(key);
      const thread = home !== undefined && this.#load[home]! <= this.#load[least]! + affinitySlack ? home : least;
      this.#homes.delete(key);
      this.#homes.set(key, thread);
      if (this.#homes.size > rememberedPrompts) this.#homes.delete(this.#homes.keys().next().value!);
      this.#load[thread]!++;
      return thread;
    });
  }
}

function groupByHome(homes: readonly number[], threads: number): [thread: number, choices: number[]][] {
  const groups = Array.from({ length: threads }, (_, thread): [number, number[]] => [thread, []]);
  for (const [choice, thread] of homes.entries()) groups[thread]![1].push(choice);
  return groups.filter(([, choices]) => choices.length > 0);
}

/** A queue with one reader. */
class Inbox<Item> {
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

  /** The next item. @throws the reason of `fail`, at once */
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
    throw new BackendError(`A sample request: ${what}.`, { code: 'rows-invalid' });
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
