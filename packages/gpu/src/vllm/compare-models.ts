/** Compares what a vLLM server and the training worker compute: the log-probabilities of one prompt under the base model. */
import type { Logger } from '@agent-lightning/core';
import type { VllmClient } from './vllm-client.ts';

/** A prompt, and its log-probabilities by the worker. */
export interface MeasuredPrompt {
  /** Shape (T,): token ids. */
  readonly tokens: Int32Array;
  /** Shape (T,), nats: the log-probability of each token after those before it; entry 0 says nothing. */
  readonly logprobs: Float32Array;
  /** The worker's precision, such as 'float32'; undefined where it does not say. */
  readonly dtype: string | undefined;
}

/** A text with likely and unlikely words in any language model. */
export const comparedText: string =
  'The capital of France is Paris, and 7 times 8 is 56. SELECT name FROM users WHERE age > 30; ' +
  'She said: "It was the best of times", then closed the door quietly and walked purple into 1999.';

/** The mean absolute difference, in nats, above which servers hold different models: a quantized copy stays below it. */
const otherModelGap = 0.5;
/**
 * The mean absolute difference that rounding explains. Two programs that compute in float32 are about 1e-6 apart. A bfloat16 copy is 0.02 to
 * 0.05 away (SmolLM2-135M and the models of our examples), and two programs that both compute in bfloat16 may be as far from each other.
 */
const roundingGap = (dtype: string | undefined): number => (dtype === 'float32' ? 1e-3 : 0.1);

/**
 * Asks a server for the prompt's log-probabilities, and warns where they are not those of the worker.
 * @throws {ConfigurationError} `option-unsupported` when they are those of another model
 */
export async function compareModels(
  client: VllmClient,
  base: string,
  { tokens, logprobs, dtype }: MeasuredPrompt,
  logger: Logger,
): Promise<void> {
  const { logprobs: served } = await client.scorePrompt(base, tokens);
  const gaps = Array.from(logprobs.subarray(1), (value, t) => Math.abs(value - served[t + 1]!));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const measured = `the log-probabilities of a prompt of ${tokens.length} tokens differ from the worker's by ${mean.toPrecision(2)} nats on average (at most ${Math.max(...gaps).toPrecision(2)})`;
  if (!(mean <= otherModelGap)) throw client.needs(measured, 'with the model that the worker trains');
  if (mean > roundingGap(dtype)) {
    logger.warn(
      `vLLM at ${client.url}: ${measured}, so training corrects for a difference that no policy made. ${adviceFor(dtype)}`,
    );
  }
}

function adviceFor(dtype: string | undefined): string {
  return dtype === undefined
    ? 'Start it in the precision of the worker (--dtype), and without quantization.'
    : `The worker computes in ${dtype}: start vLLM with --dtype ${dtype}, and without quantization.`;
}
