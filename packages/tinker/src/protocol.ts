/**
 * Defines the parts of the Tinker protocol that this client reads and writes, in the shapes of its JSON; all routes are under `/api/v1`.
 * What travels as protobuf (`proto/tinker.proto`) is translated from these shapes and into them.
 */

/** An object of JSON as it arrived: nothing about it is known yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A tensor; `shape` is (N,) for everything that this client sends. */
export interface Tensor {
  readonly data: readonly number[];
  readonly dtype: 'int64' | 'float32';
  readonly shape: readonly number[];
}

export interface ModelInput {
  readonly chunks: readonly { readonly type: 'encoded_text'; readonly tokens: readonly number[] }[];
}

/** One sequence to train on: `model_input` is s[:-1], every tensor has its length N, and entry i is about predicting s[i+1]. */
export interface Datum {
  readonly model_input: ModelInput;
  readonly loss_fn_inputs: Readonly<Record<string, Tensor>>;
}

/** The data and the loss of a pass: the `forward_input` of `forward`, the `forward_backward_input` of `forward_backward`. */
export interface PassInput {
  readonly data: readonly Datum[];
  readonly loss_fn: string;
  readonly loss_fn_config?: Readonly<Record<string, number>>;
}

/** The answer to `forward` and `forward_backward`. */
export interface PassOutput {
  /** Log-probabilities of the targets in nats, shape (N,) for each datum; null for one that is not finite. */
  readonly logprobs: readonly (readonly (number | null)[])[];
  /** The critic's values of the states before the targets, alike; where they were asked for. */
  readonly values?: readonly (readonly (number | null)[])[];
  /** Metrics by name; the part after a colon says how the values of several requests are merged. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** One continuation that `asample` answers. */
export interface SampledSequence {
  readonly tokens: readonly number[];
  readonly logprobs: readonly number[];
  readonly reason: 'stop' | 'length';
}

/** Returns tokens in the protocol's form. */
export function toModelInput(tokens: ArrayLike<number>): ModelInput {
  return { chunks: [{ type: 'encoded_text', tokens: Array.from(tokens) }] };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
