/** Collects a generation as a whole, for tests that do not care how it arrived. */
import type { GenerateRequest, SamplingEngine, TrainingSample } from '@agent-lightning/core';
import { expect } from 'vitest';

export interface CollectedChoice {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly logprobs: readonly number[];
  readonly reason: 'stop' | 'length';
}

export interface CollectedGeneration {
  readonly prompt: Int32Array;
  readonly choices: readonly CollectedChoice[];
}

/**
 * Reads a generation to its end.
 *
 * @param onPiece called at each piece, for tests that interfere in the middle
 * @throws {TypeError} when the events break the contract's order: one prompt, then pieces, then one finish for each choice
 */
export async function collectGeneration(
  engine: SamplingEngine,
  request: GenerateRequest,
  signal?: AbortSignal,
  onPiece?: () => unknown,
): Promise<CollectedGeneration> {
  let prompt: Int32Array | undefined;
  const choices = Array.from({ length: request.choices ?? 1 }, () => ({
    text: '',
    tokens: [] as number[],
    logprobs: [] as number[],
    reason: undefined as 'stop' | 'length' | undefined,
  }));
  for await (const event of engine.generate(request, signal)) {
    if (event.type === 'prompt') {
      if (prompt !== undefined) throw new TypeError('a second prompt event');
      prompt = event.tokens;
      continue;
    }
    const choice = choices[event.choice];
    if (prompt === undefined || choice === undefined || choice.reason !== undefined)
      throw new TypeError(`${event.type} of choice ${event.choice} out of order`);
    if (event.type === 'finish') {
      choice.reason = event.reason;
      continue;
    }
    if (event.tokens.length !== event.logprobs.length)
      throw new TypeError(`${event.tokens.length} tokens with ${event.logprobs.length} logprobs`);
    choice.text += event.text;
    for (const token of event.tokens) choice.tokens.push(token);
    for (const logprob of event.logprobs) choice.logprobs.push(logprob);
    await onPiece?.();
  }
  if (prompt === undefined) throw new TypeError('no prompt event');
  return {
    prompt,
    choices: choices.map(({ reason, ...choice }, index) => ({ ...choice, reason: requireReason(reason, index) })),
  };
}

/** Returns what was sampled as a training sample without advantages. */
export function toSample(prompt: Int32Array, choice: CollectedChoice): TrainingSample {
  const tokens = Int32Array.from([...prompt, ...choice.tokens]);
  const logprobs = new Float32Array(tokens.length);
  logprobs.set(choice.logprobs, prompt.length);
  return {
    tokens,
    lossMask: Uint8Array.from(tokens, (_, t) => (t < prompt.length ? 0 : 1)),
    logprobs,
    advantages: new Float32Array(tokens.length),
  };
}

function requireReason(reason: 'stop' | 'length' | undefined, choice: number): 'stop' | 'length' {
  if (reason === undefined) throw new TypeError(`choice ${choice} never finished`);
  return reason;
}

/**
 * Expects one generation twice: the same prompt, tokens, text and ends; log-probabilities as near as two computations of one
 * number are, since what else runs beside a call may change how its sums are rounded.
 */
export function expectSameGeneration(
  actual: CollectedGeneration,
  expected: CollectedGeneration,
  tolerance: number,
): void {
  const withoutNumbers = ({ prompt, choices }: CollectedGeneration): object => ({
    prompt,
    choices: choices.map(({ text, tokens, reason }) => ({ text, tokens, reason })),
  });
  expect(withoutNumbers(actual)).toEqual(withoutNumbers(expected));
  const numbers = actual.choices.flatMap((choice) => choice.logprobs);
  expected.choices
    .flatMap((choice) => choice.logprobs)
    .forEach((value, index) => expect(Math.abs(value - (numbers[index] ?? Number.NaN))).toBeLessThan(tolerance));
}
