/** Answers chats and prompts from one version of the weights. */
import type { GenerateEvent, GenerateRequest, SamplingEngine, ToolCallFormat } from '@agent-lightning/core';
import { createChatEngine } from '@agent-lightning/text';

import type { OpenCheckpoint } from '../checkpoint/checkpoint.ts';
import type { RandomStream } from '../random/random-stream.ts';
import type { PublishedWeights } from './published-weights.ts';

/** A published version as core's sampling engine. */
export class EmbeddedSampling implements SamplingEngine {
  readonly contextLength: number;
  readonly toolCallFormat: ToolCallFormat | undefined;
  readonly #engine: SamplingEngine;
  readonly #published: PublishedWeights;

  /** @param seeds where a request without a seed gets one */
  constructor(checkpoint: OpenCheckpoint, published: PublishedWeights, contextLength: number, seeds: RandomStream) {
    const { engine, weights } = published;
    this.contextLength = contextLength;
    this.toolCallFormat = checkpoint.chatTemplate?.toolCallFormat;
    this.#published = published;
    this.#engine = createChatEngine({
      text: checkpoint,
      contextLength,
      vocabularySize: checkpoint.config.vocabSize,
      sample: (request, signal) =>
        engine.sample({ ...request, weights, seed: request.seed ?? seeds.nextUint32(), signal }),
    });
  }

  async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncGenerator<GenerateEvent, void, undefined> {
    this.#published.acquire();
    try {
      yield* this.#engine.generate(request, signal);
    } finally {
      this.#published.release();
    }
  }
}
