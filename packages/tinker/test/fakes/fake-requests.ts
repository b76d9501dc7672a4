/** The bodies that a fake training server reads, and what they mean to its model. */
import type { Loss, TrainingSample } from '@agent-lightning/core';
import type { ServerKind } from '../../src/server-kinds.ts';
import { FakeFault } from './fake-shapes.ts';

interface Tensor {
  readonly data: readonly number[];
  readonly shape?: readonly number[];
}

export interface RequestInput {
  readonly chunks: readonly { readonly tokens: readonly number[] }[];
}

export interface RequestDatum {
  readonly model_input: RequestInput;
  readonly loss_fn_inputs: Readonly<Record<string, Tensor | undefined>>;
}

export interface RequestPass {
  readonly data: readonly RequestDatum[];
  readonly loss_fn: string;
  readonly loss_fn_config?: Readonly<Record<string, number>>;
}

/** A request's body: what this fake reads of it. Anything may be missing or wrong; then the fake refuses or breaks, and the test fails. */
export interface Body {
  readonly session_id?: string;
  readonly model_id?: string;
  readonly seq_id?: number;
  readonly request_id?: string;
  readonly base_model?: string;
  readonly model_path?: string;
  readonly model_seq_id?: number;
  readonly lora_config?: { readonly rank?: number };
  readonly sampling_session_id?: string;
  readonly sampling_session_seq_id?: number;
  readonly path?: string;
  readonly tinker_path?: string;
  readonly optimizer?: boolean;
  readonly adam_params?: Readonly<Record<string, number>>;
  readonly forward_input?: RequestPass;
  readonly forward_backward_input?: RequestPass;
  readonly num_samples?: number;
  readonly prompt?: RequestInput;
  readonly prompt_logprobs?: boolean;
  readonly prompt_logprobs_temperature?: number;
  readonly sampling_params?: {
    readonly max_tokens?: number;
    readonly seed?: number;
    readonly stop?: readonly number[];
    readonly temperature?: number;
  };
}

/** A loss, as core has it. */
export function lossOf({ loss_fn: name, loss_fn_config: config }: RequestPass): Loss {
  if (name === 'importance_sampling' || name === 'cross_entropy') return { name };
  if (name === 'ppo' || name === 'cispo') {
    const bounds = {
      clipLow: config?.['clip_low_threshold'] ?? 0.8,
      clipHigh: config?.['clip_high_threshold'] ?? 1.2,
    };
    const dualClip = config?.['dual_clip_threshold'];
    return name === 'cispo' || dualClip === undefined ? { name, ...bounds } : { name, ...bounds, dualClip };
  }
  throw new FakeFault(400, `unknown loss ${name}`, 'loss_fn', 'loss-unsupported');
}

/** Shifted back, as core has it: every weight that is not 0 is trained. */
export function sampleOf(
  datum: RequestDatum,
  loss: Loss['name'],
  { serverKind, vocabularySize }: { readonly serverKind: ServerKind; readonly vocabularySize: number },
): TrainingSample {
  const input = tokensOf(datum.model_input);
  const { target_tokens: targets, weights, logprobs, advantages, mask, temperature } = datum.loss_fn_inputs;
  const count = input.length;
  for (const [name, tensor] of Object.entries({ mask, temperature }))
    if (tensor !== undefined && serverKind !== 'worker')
      throw new FakeFault(400, `unknown input ${name}`, 'loss_fn_inputs', 'samples-invalid');
  for (const tensor of [
    targets,
    ...[mask, temperature].filter((given) => given !== undefined),
    ...(loss === 'cross_entropy' ? [weights] : [logprobs, advantages]),
  ]) {
    if (tensor?.data?.length !== count || tensor.shape?.[0] !== count)
      throw new FakeFault(400, `every tensor must have ${count} entries`, 'loss_fn_inputs', 'samples-invalid');
  }
  const tokens = Int32Array.from([...input, targets!.data.at(-1)!]);
  if (targets!.data.some((token, i) => i + 1 < count && token !== input[i + 1]))
    throw new FakeFault(400, 'targets must be the input shifted by one', 'target_tokens', 'samples-invalid');
  checkTokens([...tokens], vocabularySize, 'model_input');
  const values = (loss === 'cross_entropy' ? weights : advantages)!.data;
  return {
    tokens,
    lossMask: Uint8Array.from([0, ...(mask?.data ?? values.map((value) => (value === 0 ? 0 : 1)))]),
    advantages: Float32Array.from([0, ...values]),
    logprobs: Float32Array.from([0, ...(logprobs?.data ?? values.map(() => 0))]),
    // The client sends one number for all tokens of a sample.
    temperature: temperature?.data[0] ?? 1,
  };
}

/** Refuses ids that the model does not have. */
export function checkTokens(tokens: readonly number[], vocabularySize: number, field: string): void {
  const bad = tokens.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabularySize));
  if (bad !== undefined) throw new FakeFault(400, `token ${bad} does not exist`, field, 'samples-invalid');
}

export function tokensOf(input: RequestInput | undefined): number[] {
  return (input?.chunks ?? []).flatMap((chunk) => [...chunk.tokens]);
}

export function nameOf({ path }: Body): string {
  if (typeof path === 'string' && /^[A-Za-z0-9_-]{1,255}$/.test(path)) return path;
  throw new FakeFault(400, `path is ${JSON.stringify(path ?? null)}`, 'path');
}
