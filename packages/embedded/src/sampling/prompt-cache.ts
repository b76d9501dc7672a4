/** Keeps the keys and values of prompts: equal prompts are computed once, and a new one starts from its longest known prefix. */
import type { Address } from '../kernels/kernels.ts';
import type { SharedHeap } from '../kernels/shared-heap.ts';
import type { Model } from '../model/layer-forward.ts';
import { commonPrefix } from '../model/token-order.ts';
import { KeyValueCache } from './key-value-cache.ts';
import type { SampleJob } from './sample-job.ts';

/** The number of unused prompts that are kept; the least recently used is dropped first. */
const mostIdle = 64;
const mostIdleBytes = 128 * 2 ** 20;

export interface Prompt {
  readonly version: number;
  readonly tokens: Int32Array;
  readonly cache: KeyValueCache;
  /** Address of the logits after the last token, (vocabulary rounded up to 8,). */
  readonly logits: Address;
  /** Tokens computed so far. */
  done: number;
  /** Choices that wait for it. */
  users: number;
}

/** The prompts of one thread. */
export class PromptCache {
  readonly #model: Model;
  readonly #heap: SharedHeap;
  /** Least recently used first. */
  #prompts: Prompt[] = [];

  constructor(model: Model, heap: SharedHeap) {
    this.#model = model;
    this.#heap = heap;
  }

  /** Returns the prompt of a job; release it as often as it is used. @throws EngineFault when the memory is full */
  use(job: SampleJob): Prompt {
    let best: Prompt | undefined;
    let common = 0;
    for (const prompt of this.#prompts) {
      if (prompt.version !== job.version) continue;
      const shared = Math.min(commonPrefix(prompt.tokens, job.prompt), prompt.done);
      if (prompt.tokens.length === job.prompt.length && commonPrefix(prompt.tokens, job.prompt) === job.prompt.length) {
        this.#touch(prompt);
        prompt.users++;
        return prompt;
      }
      if (shared > common) [best, common] = [prompt, shared];
    }
    return this.#create(job, best, Math.min(common, job.prompt.length - 1));
  }

  release(prompt: Prompt): void {
    prompt.users--;
    this.#evict();
  }

  forget(version: number): void {
    for (const prompt of this.#prompts) if (prompt.version === version) this.#free(prompt);
    this.#prompts = this.#prompts.filter((prompt) => prompt.version !== version);
  }

  /** Frees the prompts that nobody waits for, and tells whether there were any. */
  reclaim(): boolean {
    const idle = this.#prompts.filter(({ users }) => users === 0);
    for (const prompt of idle) this.#free(prompt);
    this.#prompts = this.#prompts.filter(({ users }) => users > 0);
    return idle.length > 0;
  }

  /** Reserves a prompt; where memory is short, it frees the prompts that nobody waits for, but not the one that this one starts from. */
  #create(job: SampleJob, from: Prompt | undefined, common: number): Prompt {
    if (from) from.users++;
    try {
      return this.#reserve(job, from, common);
    } catch (error) {
      if (!this.reclaim()) throw error;
      return this.#reserve(job, from, common);
    } finally {
      if (from) from.users--;
    }
  }

  #reserve(job: SampleJob, from: Prompt | undefined, common: number): Prompt {
    const cache = new KeyValueCache(this.#model, this.#heap, job.prompt.length);
    const prompt: Prompt = {
      version: job.version,
      tokens: job.prompt,
      cache,
      logits: this.#heap.allocate(this.#model.widths.logits * 4),
      done: common,
      users: 1,
    };
    if (from !== undefined && common > 0) prompt.cache.copyFrom(from.cache, common);
    this.#prompts.push(prompt);
    return prompt;
  }

  #touch(prompt: Prompt): void {
    this.#prompts = this.#prompts.filter((other) => other !== prompt);
    this.#prompts.push(prompt);
  }

  #evict(): void {
    let idle = this.#prompts.filter(({ users }) => users === 0);
    let bytes = idle.reduce((sum, { cache }) => sum + cache.bytes, 0);
    while (idle.length > mostIdle || bytes > mostIdleBytes) {
      const [oldest, ...rest] = idle;
      this.#free(oldest!);
      this.#prompts = this.#prompts.filter((other) => other !== oldest);
      bytes -= oldest!.cache.bytes;
      idle = rest;
    }
  }

  #free(prompt: Prompt): void {
    prompt.cache.free();
    this.#heap.free(prompt.logits, this.#model.widths.logits * 4);
  }
}
