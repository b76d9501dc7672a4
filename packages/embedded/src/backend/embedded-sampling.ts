/** Chats and prompts → events, from one version of the weights. */
import { TimeoutError, type GenerateEvent, type GenerateRequest, type SamplingEngine } from '@agent-lightning/core';

import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { SampledPiece } from '../model/llama-types.ts';
import type { RandomStream } from '../random-stream.ts';
import { ChoiceText } from './choice-text.ts';
import { planGeneration, type GenerationPlan } from './generation-plan.ts';
import type { PublishedWeights } from './published-weights.ts';

/** A published version as core's sampling engine. */
export class EmbeddedSampling implements SamplingEngine {
  readonly contextLength: number;
  readonly #checkpoint: Checkpoint;
  readonly #published: PublishedWeights;
  readonly #seeds: RandomStream;

  /** @param seeds where a request without a seed gets one */
  constructor(checkpoint: Checkpoint, published: PublishedWeights, contextLength: number, seeds: RandomStream) {
    this.contextLength = contextLength;
    this.#checkpoint = checkpoint;
    this.#published = published;
    this.#seeds = seeds;
  }

  async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncGenerator<GenerateEvent, void, undefined> {
    requireNotAborted(signal);
    const plan = planGeneration(request, this.#checkpoint, this.contextLength);
    this.#published.acquire();
    const stopEngine = new AbortController();
    const abort = (): void => stopEngine.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      yield { type: 'prompt', tokens: plan.prompt };
      yield* this.#events(plan, stopEngine.signal);
      requireNotAborted(signal);
    } catch (error) {
      requireNotAborted(signal);
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
      stopEngine.abort();
      this.#published.release();
    }
  }

  async *#events(plan: GenerationPlan, signal: AbortSignal): AsyncGenerator<GenerateEvent, void, undefined> {
    const { eosTokenIds, tokenizer } = this.#checkpoint;
    const choices = Array.from({ length: plan.choices }, () => new ChoiceText(tokenizer, plan.stop, eosTokenIds));
    const { engine, weights } = this.#published;
    const seed = plan.seed ?? this.#seeds.nextUint32();
    const { prompt, temperature, maxTokens } = plan;
    const sampled = engine.sample({
      weights,
      prompt,
      choices: plan.choices,
      temperature,
      maxTokens,
      stopTokens: eosTokenIds,
      seed,
      signal,
    });
    let open = plan.choices;
    for await (const piece of sampled) {
      const choice = choices[piece.choice];
      if (choice === undefined || choice.ended) continue; // a stop text ended it while the engine went on
      yield* showPiece(piece, choice);
      if (choice.ended) open -= 1;
      if (open === 0) return;
    }
  }
}

function* showPiece(piece: SampledPiece, choice: ChoiceText): Generator<GenerateEvent, void, undefined> {
  const { text, tokens, stopped } = choice.push(piece.tokens, piece.finish !== undefined);
  yield {
    type: 'piece',
    choice: piece.choice,
    text,
    tokens: piece.tokens.subarray(0, tokens),
    logprobs: piece.logprobs.subarray(0, tokens),
  };
  if (choice.ended) yield { type: 'finish', choice: piece.choice, reason: stopped ? 'stop' : (piece.finish ?? 'stop') };
}

function requireNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new TimeoutError('The generation was cancelled by its signal.', { code: 'cancelled', cause: signal.reason });
}
