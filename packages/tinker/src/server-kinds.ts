/** Lists what the servers that speak the Tinker protocol do differently. */
import { type AdamParameters, type Loss, backendChecks } from '@agent-lightning/core';
import type { PassEncoding } from './pass-encoding.ts';

/** The servers that the client knows. */
export type ServerKind = 'worker' | 'skyrl' | 'tinker';

export type AdamField = Exclude<keyof AdamParameters, 'learningRate'>;

/** The abilities of one kind of server. */
export interface ServerTraits {
  readonly kind: ServerKind;
  /** The server's name in error messages, as the subject of a sentence. */
  readonly title: string;
  /** Losses that the server computes as core defines them. */
  readonly losses: readonly Loss['name'][];
  /** Optimizer parameters that the server takes from its own configuration, with its defaults; a request's are ignored. */
  readonly fixedAdam: Readonly<Partial<Record<AdamField, number>>>;
  /** Names of the metric in which `optim_step` may report the norm of the gradient. */
  readonly gradientNormMetrics: readonly string[];
  /** True when a request that is sent again with its sequence id is known as the same; else it would be applied twice. */
  readonly dedupes: boolean;
  /**
   * The encoding in which the first pass is tried; the other one follows where the server refuses it. It is one that no server of
   * this kind, old or new, answers with a failure that leaves open whether the pass took effect.
   */
  readonly firstEncoding: PassEncoding;
  /** Fields of `create_model`'s `lora_config`. */
  readonly loraFields: readonly ('rank' | 'alpha' | 'seed' | 'train_unembed' | 'train_mlp' | 'train_attn')[];
  /** True when `rank: 0` trains all weights. */
  readonly fullFineTune: boolean;
  /** True when the base model is served beside the policies, with `prompt_logprobs`. */
  readonly servesBase: boolean;
  /** Published versions of a policy that can be sampled at the same time. */
  readonly liveSnapshots: number;
  /** Headers that are sent with `asample`. */
  readonly samplingHeaders: Readonly<Record<string, string>>;
  /** True when a sampling session that is no longer used can be freed by `unload_sampler`. */
  readonly unloadsSamplers: boolean;
  /** True when a second model may exist while a state is loaded into it; else the old one is unloaded first. */
  readonly severalModels: boolean;
  /** True when a failed `forward_backward` leaves no gradient behind. */
  readonly dropsFailedGradient: boolean;
  /** True when a save that is sent again is known by its `seq_id`; else it needs a new name. */
  readonly repeatsSaves: boolean;
  /** The form in which trained weights are exported: a whole model, file by file, or the archive of a sampler checkpoint. */
  readonly exports: 'model' | 'archive';
  /** True when a key must be given. */
  readonly needsKey: boolean;
}

export const serverKinds: Readonly<Record<ServerKind, ServerTraits>> = {
  /** The worker of `@agent-lightning/gpu`. */
  worker: {
    kind: 'worker',
    title: 'the worker',
    losses: ['importance_sampling', 'ppo', 'cispo', 'cross_entropy'],
    fixedAdam: {},
    gradientNormMetrics: ['grad_norm'],
    dedupes: true,
    firstEncoding: 'json',
    loraFields: ['rank', 'alpha', 'seed', 'train_unembed', 'train_mlp', 'train_attn'],
    fullFineTune: true,
    servesBase: true,
    liveSnapshots: 2,
    samplingHeaders: {},
    unloadsSamplers: true,
    severalModels: true,
    dropsFailedGradient: true,
    repeatsSaves: true,
    exports: 'model',
    needsKey: true,
  },
  /**
   * SkyRL 0.3 and 0.4 (`skyrl.tinker.api`) with its FSDP or Megatron backend. Its documents call cross entropy and importance sampling
   * validated. Publishing overwrites the weights of its inference engines, base model included.
   */
  skyrl: {
    kind: 'skyrl',
    title: 'a SkyRL server',
    losses: ['importance_sampling', 'cross_entropy'],
    fixedAdam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, maxGradientNorm: 1 },
    gradientNormMetrics: ['skyrl.ai/grad_norm'],
    dedupes: false,
    firstEncoding: 'json',
    loraFields: ['rank', 'seed'],
    fullFineTune: true,
    servesBase: false,
    liveSnapshots: 1,
    samplingHeaders: {},
    unloadsSamplers: false,
    severalModels: false,
    dropsFailedGradient: false,
    repeatsSaves: false,
    exports: 'archive',
    needsKey: false,
  },
  /** The Tinker cloud, and servers that follow it. */
  tinker: {
    kind: 'tinker',
    title: 'a Tinker server',
    losses: ['importance_sampling', 'ppo', 'cispo', 'cross_entropy'],
    fixedAdam: {},
    gradientNormMetrics: ['grad_norm', 'grad_norm:mean'],
    dedupes: true,
    firstEncoding: 'protobuf',
    loraFields: ['rank', 'seed', 'train_unembed', 'train_mlp', 'train_attn'],
    fullFineTune: false,
    servesBase: true,
    liveSnapshots: 2,
    samplingHeaders: { 'X-Tinker-Sampling-Backpressure': '1' },
    unloadsSamplers: false,
    severalModels: true,
    dropsFailedGradient: false,
    repeatsSaves: true,
    exports: 'archive',
    needsKey: true,
  },
};

/** The protocol's names of optimizer parameters. */
export const adamNames: Readonly<Record<keyof AdamParameters, string>> = {
  learningRate: 'learning_rate',
  beta1: 'beta1',
  beta2: 'beta2',
  epsilon: 'eps',
  weightDecay: 'weight_decay',
  maxGradientNorm: 'grad_clip_norm',
};

export const adamFields: readonly AdamField[] = Object.keys(backendChecks.adamDefaults) as AdamField[];
