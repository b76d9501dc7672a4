/** Checks the option `lora` and fills in its defaults, which are those of the backend `gpu`. */
import { check } from '@agent-lightning/core';
import type { Adaptation } from '../model/adaptation.ts';

/** Says what LoRA trains; the options of `gpu({ lora })`, with the same meaning. */
export interface LoraOptions {
  /** Inner width of every adapter. @default 32 */
  readonly rank?: number;
  /** The adapters' scale is alpha / rank. @default 32 */
  readonly alpha?: number;
  /** Trains the MLP layers. @default true */
  readonly trainMlp?: boolean;
  /** Trains the attention layers. @default true */
  readonly trainAttention?: boolean;
  /** Trains the output layer too; vLLM does not load such an adapter. @default false */
  readonly trainUnembed?: boolean;
}

const names = ['rank', 'alpha', 'trainMlp', 'trainAttention', 'trainUnembed'];

/** Returns what is trained beside a frozen model, or undefined for `'full'`. @throws {ConfigurationError} `option-invalid` naming the option and its value */
export function resolveLora(lora: LoraOptions | 'full', frozenType: Adaptation['frozenType']): Adaptation | undefined {
  if (lora === 'full') return undefined;
  if (typeof lora !== 'object' || lora === null)
    throw check.optionInvalid('embedded: lora', lora, "'full' or an object such as { rank: 32 }");
  check.knownOptions('embedded: lora', lora, names);
  const { rank = 32, alpha = 32, trainMlp = true, trainAttention = true, trainUnembed = false } = lora;
  check.wholeNumber('embedded: lora.rank', rank, 1, 512);
  if (typeof alpha !== 'number' || !Number.isFinite(alpha) || alpha <= 0)
    throw check.optionInvalid('embedded: lora.alpha', alpha, 'a positive number');
  for (const [name, value] of Object.entries({ trainMlp, trainAttention, trainUnembed }))
    if (typeof value !== 'boolean') throw check.optionInvalid(`embedded: lora.${name}`, value, 'true or false');
  if (!trainMlp && !trainAttention && !trainUnembed)
    throw check.optionInvalid('embedded: lora.trainAttention', false, 'true, or one of trainMlp and trainUnembed');
  return Object.freeze({ rank, alpha, trainAttention, trainMlp, trainUnembed, frozenType });
}
