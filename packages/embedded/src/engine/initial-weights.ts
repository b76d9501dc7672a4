/** Writes the weights that an engine starts with into its memory. */
import { BackendError } from '@agent-lightning/core';
import { startAdapters } from '../model/adapter-start.ts';
import { writeFrozen } from '../model/frozen-weights.ts';
import type { LlamaWeights } from '../model/llama-config.ts';
import type { ModelMemory } from '../model/model-memory.ts';
import type { Shapes } from '../model/parameter-shapes.ts';
import { writeTensors } from '../model/stored-tensors.ts';
import { toSource, type WeightSource } from '../model/weight-source.ts';

/**
 * Writes all weights where they are trained; else the frozen ones, and adapters that change nothing yet.
 *
 * @param trained the shapes of what is trained
 * @throws {BackendError} `option-invalid` for a source where all weights are trained; `checkpoint-unsupported` | `checkpoint-corrupt`
 */
export async function writeInitialWeights(
  memory: ModelMemory,
  trained: Shapes,
  weights: LlamaWeights | WeightSource,
): Promise<void> {
  if (memory.layout.frozen) {
    await writeFrozen(memory, isTensors(weights) ? toSource(weights) : weights);
    writeTensors(memory, memory.map.weights, startAdapters(trained, 0));
    return;
  }
  if (!isTensors(weights)) {
    throw new BackendError('An engine that trains all weights takes them as tensors, not as a source.', {
      code: 'option-invalid',
    });
  }
  writeTensors(memory, memory.map.weights, weights);
}

/** Tells whether the weights are tensors in memory. */
export function isTensors(weights: LlamaWeights | WeightSource): weights is LlamaWeights {
  return 'get' in weights;
}
