/** Resolves which part of a model is trained, and checks that the server can be told so. */
import { check, ConfigurationError } from '@agent-lightning/core';
import { serverKinds, type ServerKind } from './server-kinds.ts';
import type { LoraSpec } from './tinker-model.ts';

/** Low-rank adapters on the linear layers. */
export interface LoraOptions {
  /** Inner width of every adapter. @default 32 */
  readonly rank?: number;
  /** The adapters' scale is alpha / rank. Only for the worker; other servers have 32. @default 32 */
  readonly alpha?: number;
  /** Trains the MLP layers. Not for SkyRL, which trains all linear layers. @default true */
  readonly trainMlp?: boolean;
  /** Trains the attention layers. Not for SkyRL. @default true */
  readonly trainAttention?: boolean;
  /** Trains the output layer too. Not for SkyRL. @default true on Tinker servers, false on the worker, as vLLM wants it */
  readonly trainUnembed?: boolean;
}

const protocolNames = {
  rank: 'rank',
  alpha: 'alpha',
  trainMlp: 'train_mlp',
  trainAttention: 'train_attn',
  trainUnembed: 'train_unembed',
} as const satisfies Record<keyof LoraOptions, string>;

/** Fills in the defaults of `lora`. @throws {ConfigurationError} `option-invalid` | `option-unsupported` for one that the server would ignore */
export function resolveLora(lora: LoraOptions | 'full', serverKind: ServerKind, factory: string): LoraSpec {
  const traits = serverKinds[serverKind];
  const prefix = `${factory}: lora`;
  if (lora === 'full') {
    if (!traits.fullFineTune)
      throw new ConfigurationError(`${prefix} is 'full', and ${traits.title} trains adapters only; give a rank.`, {
        code: 'option-unsupported',
      });
    return { rank: 0, alpha: undefined, trainMlp: true, trainAttention: true, trainUnembed: true };
  }
  if (typeof lora !== 'object' || lora === null)
    throw check.optionInvalid(prefix, lora, "'full' or an object such as { rank: 32 }");
  check.knownOptions(prefix, lora, Object.keys(protocolNames));
  for (const [name, value] of Object.entries(lora)) {
    const protocolName = protocolNames[name as keyof LoraOptions];
    if (value === undefined || (traits.loraFields as readonly string[]).includes(protocolName)) continue;
    throw new ConfigurationError(`${prefix}.${name} would be ignored by ${traits.title}; leave it out.`, {
      code: 'option-unsupported',
    });
  }
  return {
    rank: check.wholeNumber(`${prefix}.rank`, lora.rank ?? 32, 1, 1_024),
    alpha: lora.alpha === undefined ? undefined : check.positive(`${prefix}.alpha`, lora.alpha),
    trainMlp: lora.trainMlp ?? true,
    trainAttention: lora.trainAttention ?? true,
    trainUnembed: lora.trainUnembed ?? serverKind === 'tinker',
  };
}
