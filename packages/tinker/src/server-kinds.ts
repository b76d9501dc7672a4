/** A table of what the servers that speak the Tinker protocol do differently. */
import { type AdamParameters, type Loss, backendChecks } from '@agent-lightning/core';

/** The servers that the client knows. */
export type ServerKind = 'worker' | 'skyrl' | 'tinker';

export type AdamField = Exclude<keyof AdamParameters, 'learningRate'>;

/** What one kind of server can do, and how it does it. */
export interface ServerTraits {
  readonly kind: ServerKind;
  /** As a subject of a sentence. */
  readonly title: string;
  /** Losses that the server computes as core defines them. */
  readonly losses: readonly Loss['name'][];
  /** Optimizer parameters that the server takes from its own configuration, with its defaults; a request's are ignored. */
  readonly fixedAdam: Readonly<Partial<Record<AdamField, number>>>;
  /** Where `optim_step` reports the norm of the gradient, if anywhere. */
  readonly gradientNormMetrics: readonly string[];
  /** Whether a request that is sent again with its sequence id is known as the same; else it would be applied twice. */
  readonly dedupes: boolean;
  /** Fields of `create_model`'s `lora_config`. */
  readonly loraFields: readonly ('rank' | 'alpha' | 'seed' | 'train_unembed' | 'train_mlp' | 'train_attn')[];
  /** Whether `rank: 0` trains all weights. */
  readonly fullFineTune: boolean;
  /** Whether the base model is served beside the policies, with `prompt_logprobs`. */
  readonly servesBase: boolean;
  /** Published versions of a policy that can be sampled at the same time. */
  readonly liveSnapshots: number;
  /** Sent with `asample`. */
  readonly samplingHeaders: Readonly<Record<string, string>>;
  /** Whether a sampling session that is no longer used can be freed by `unload_sampler`. */
  readonly unloadsSamplers: boolean;
  /** Whether a second model may exist while a state is loaded into it; else the old one is unloaded first. */
  readonly severalModels: boolean;
  /** Whether a failed `forward_backward` leaves no gradient behind. */
  readonly dropsFailedGradient: boolean;
  /** Whether a save that is sent again is known by its `seq_id`; else it needs a new name. */
  readonly repeatsSaves: boolean;
  /** Where trained weights come from: a whole model, file by file, or the archive of a sampler checkpoint. */
  readonly exports: 'model' | 'archive';
  /** Whether a key must be given. */
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
   * SkyRL 0.3 (`skyrl.tinker.api`) with its FSDP or Megatron backend. Its documents call cross entropy and importance sampling
   * validated. Publishing overwrites the weights of its inference engines, base model included.
   */
  skyrl: {
    kind: 'skyrl',
    title: 'a SkyRL server',
    losses: ['importance_sampling', 'cross_entropy'],
    fixedAdam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, maxGradientNorm: 1 },
    gradientNormMetrics: ['skyrl.ai/grad_norm'],
    dedupes: false,
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

/** The wire's names of optimizer parameters. */
export const adamNames: Readonly<Record<keyof AdamParameters, string>> = {
  learningRate: 'learning_rate',
  beta1: 'beta1',
  beta2: 'beta2',
  epsilon: 'eps',
  weightDecay: 'weight_decay',
  maxGradientNorm: 'grad_clip_norm',
};

export const adamFields: readonly AdamField[] = Object.keys(backendChecks.adamDefaults) as AdamField[];
