/**
 * The training-backend contract, shaped like the Tinker API: losses are token sums of caller-given advantages, so that
 * every algorithm stays in TypeScript. A backend that does not honour an option must reject it.
 */
import type { ChatMessage } from '../vocabulary/chat-message.ts';
import type { JsonValue } from '../vocabulary/json.ts';

/** One sample of a training batch; all arrays are aligned with `tokens`, and entry t is about predicting `tokens[t]` from `tokens[0..t)`. */
export interface TrainingSample {
  /** Shape (T,), T ≥ 2: token ids. */
  readonly tokens: Int32Array;
  /** Shape (T,): 1 where the token was sampled by the policy and is trained on, else 0. Entry 0 is always 0. */
  readonly lossMask: Uint8Array;
  /** Shape (T,), nats: log-probability at sampling time; 0 where `lossMask` is 0. Not read by `cross_entropy`. */
  readonly logprobs: Float32Array;
  /** Shape (T,): advantage × loss weight of each token, any sign; 0 where `lossMask` is 0. For `cross_entropy`: the token's weight. */
  readonly advantages: Float32Array;
  /**
   * The temperature τ that the trained tokens were sampled at, above 0. Every log-probability of the sample is of softmax(logits / τ): `logprobs`,
   * those that a backend computes under the policy or the base model, its gradients and its entropy.
   * @default 1
   */
  readonly temperature?: number;
}

/**
 * A loss, always a SUM over tokens with `lossMask` 1. With lp the policy's log-probability now, q the sample's `logprobs`,
 * A its `advantages` and r = exp(lp − q), where lp − q counts as ±20, without a gradient, when it is beyond ±20:
 *
 * - `importance_sampling`: −Σ r·A
 * - `ppo`: −Σ min(r·A, clip(r, clipLow, clipHigh)·A); with `dualClip`, at most −dualClip·A where A < 0, without a gradient beyond.
 *   @source arXiv:1707.06347; dual clip: arXiv:1912.09729
 * - `cispo`: −Σ stopGradient(clip(r, clipLow, clipHigh))·lp·A
 * - `cross_entropy`: −Σ A·lp (any sign of A: supervised weights, or minus a derivative)
 *
 * Clip bounds are absolute ratios, such as 0.8 and 1.2.
 */
export type Loss =
  | { readonly name: 'importance_sampling' }
  | { readonly name: 'ppo'; readonly clipLow: number; readonly clipHigh: number; readonly dualClip?: number }
  | { readonly name: 'cispo'; readonly clipLow: number; readonly clipHigh: number }
  | { readonly name: 'cross_entropy' };

/**
 * The loss of a policy's critic, a SUM over tokens with `lossMask` 1: ½ Σ w·(V − R)², with V the critic's value of the state before a
 * token, R its target and w its weight.
 */
export interface ValueLoss {
  /** R for each sample, shape (T,); not read where `lossMask` is 0. */
  readonly targets: readonly Float32Array[];
  /** w for each sample, shape (T,), not negative; not read where `lossMask` is 0. */
  readonly weights: readonly Float32Array[];
  /** The share of this loss's gradient that reaches the weights of the policy; with 0 the critic's head learns alone. */
  readonly trunkWeight: number;
}

export interface AdamParameters {
  readonly learningRate: number;
  /** @default 0.9 */
  readonly beta1?: number;
  /** @default 0.95 */
  readonly beta2?: number;
  /** @default 1e-8 */
  readonly epsilon?: number;
  /** Decoupled. @default 0 */
  readonly weightDecay?: number;
  /** Clip the global L2 norm of the gradient; 0 for no clipping. @default 0 */
  readonly maxGradientNorm?: number;
}

export interface ForwardBackwardResult {
  /** The policy's log-probabilities before any update, for each sample, shape (T,); 0 where `lossMask` is 0. */
  readonly logprobs: readonly Float32Array[];
  /** The loss, as a sum over tokens. */
  readonly loss: number;
  /** Tokens with `lossMask` 1. */
  readonly trainedTokens: number;
  /** Mean entropy of the policy's distribution over trained tokens, in nats, where the backend computes it. */
  readonly entropy?: number;
  /** The loss of the critic, as a sum over tokens; where one was given. */
  readonly valueLoss?: number;
}

export interface OptimStepResult {
  /** Global L2 norm of the accumulated gradient, before clipping, without the critic's head; absent where a server does not report it. */
  readonly gradientNorm?: number;
  /** Optimizer steps taken by this policy, this one included. */
  readonly step: number;
}

export interface BackendCapabilities {
  readonly losses: readonly Loss['name'][];
  /** True where `ppo` honours `dualClip`; elsewhere a `dualClip` is refused as `loss-unsupported`. @default false */
  readonly dualClip?: boolean;
  /** The longest sample, in tokens. */
  readonly maxSampleTokens: number;
  readonly snapshot: PolicySnapshot['kind'];
  /** Published versions of a policy that can be sampled at the same time; calls to older ones are refused. @default 2 */
  readonly liveSnapshots?: number;
  /** True where policies have a critic: `values`, and a `ValueLoss` beside a loss. @default false */
  readonly critic?: boolean;
  /** Optimizer parameters that the backend's own configuration fixes; other values are refused. @default none */
  readonly fixedAdam?: Readonly<Partial<Omit<AdamParameters, 'learningRate'>>>;
  /** True where samples may have a `temperature`; else the backend refuses one other than 1. @default false */
  readonly hasTemperature?: boolean;
  /** The weights that train: all of the model's, or those of an adapter beside it. A fixed learning rate is chosen by it. @default 'all' */
  readonly trainedWeights?: 'all' | 'adapter';
  /**
   * False where `forward` cannot score the weights as they are after the newest optimizer step: then nobody can tell how far a step moved
   * the policy, and updates cannot size themselves. @default true
   */
  readonly scoresUpdates?: boolean;
  /** Text for people: what trains where. */
  readonly description: string;
}

export interface PolicySpec {
  /** The policy's name, as agents and spans see it. */
  readonly name: string;
  /** Seeds all random numbers that the backend draws for this policy. */
  readonly seed: number;
}

/** A model call as text: what was asked, and what was answered. */
export interface ChatAnswer {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly JsonValue[];
  /** The assistant's message. */
  readonly answer: ChatMessage;
}

/** A model call as tokens. */
export interface EncodedAnswer {
  /** Shape (P,). */
  readonly promptIds: Int32Array;
  /** Shape (T,), T ≥ 1. */
  readonly responseIds: Int32Array;
}

/** A place where policies train. */
export interface TrainingBackend {
  readonly name: string;
  capabilities(): Promise<BackendCapabilities>;
  /** Creates a policy that starts from the backend's base model. */
  createPolicy(spec: PolicySpec): Promise<TrainablePolicy>;
  /** Returns the frozen base model, for nodes that do not train and for KL, or undefined where the backend cannot serve it. */
  baseSnapshot(): Promise<PolicySnapshot | undefined>;
  /** Returns the text of each token, for people; joined, the texts need not be exact. Absent where the backend cannot tell. */
  tokenTexts?(tokens: Int32Array): Promise<readonly string[]>;
  /**
   * Returns a model call as the tokens that a policy would have read and written: what its engine makes of the messages, and the answer up to
   * the token that ends it. Absent where the backend knows no chat template.
   * @throws {BackendError} `samples-invalid` for an answer that the template does not show behind that prompt; as an engine for bad messages
   */
  encodeAnswer?(call: ChatAnswer): Promise<EncodedAnswer>;
  close(): Promise<void>;
}

/**
 * A model that training changes. Calls take effect in the order in which they are made, and the next may be made before the one
 * before has answered: a trainer sends a pass and its optimizer step back to back.
 *
 * An optimizer step on only a part of its gradient never happens silently. A pass that is refused (`samples-invalid`, `loss-unsupported`) changes nothing.
 * One that fails later (`numerics`: its loss is no finite float32) drops its own gradient and all that was accumulated before it, and may drop that of passes made
 * before its failure was known; the calls after it take effect all the same, so that a step right after it finds no gradient. A backend
 * that learns of a failure too late to hold back the next step refuses every further call until a state is loaded.
 */
export interface TrainablePolicy {
  readonly name: string;
  /** Returns the log-probabilities of each sample, shape (T,), 0 where `lossMask` is 0. Computes no gradient. */
  forward(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]>;
  /** Returns the log-probabilities under the frozen base model, in the same form; for KL to the reference. */
  forwardBase(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]>;
  /**
   * Returns the critic's value of the state before each token, shape (T,), 0 where `lossMask` is 0: V = b + w·h / H, with h the policy's last
   * hidden state, of H numbers, after its last norm, and w and b the critic's head: 0 in a new policy, saved with its state, exported
   * with no model. Computes no gradient. Absent where the backend has no critic.
   */
  values?(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]>;
  /**
   * Adds the loss's gradient to what earlier calls accumulated, and that of the critic's loss where one is given; where it fails, there is none any more.
   * @throws BackendError `samples-invalid` | `numerics` | `loss-unsupported`
   */
  forwardBackward(
    samples: readonly TrainingSample[],
    loss: Loss,
    valueLoss?: ValueLoss,
  ): Promise<ForwardBackwardResult>;
  /**
   * Takes one AdamW step on the accumulated gradient, and clears it. The critic's head steps where it has a gradient, with moments, a step count and a gradient
   * norm of its own, so that a head that learns alone changes nothing of the policy's step.
   * @param criticLearningRate the head's learning rate; the policy's where it is left out
   */
  optimStep(adam: AdamParameters, criticLearningRate?: number): Promise<OptimStepResult>;
  /** Makes the weights as they are now samplable under `version`. Calls in flight finish on the version they began with. */
  publish(version: number): Promise<PolicySnapshot>;
  /** Writes weights, optimizer, critic and random state into a directory, atomically: it is whole or absent. */
  saveState(directory: string): Promise<void>;
  loadState(directory: string): Promise<void>;
  /**
   * Frees what a saved state holds outside its directory; called before the directory is deleted. Absent where a state is
   * its directory. What cannot be freed is logged, and changes nothing for the caller.
   */
  discardState?(directory: string): Promise<void>;
  /** Writes the weights alone as an ordinary Hugging Face model directory. */
  exportModel(directory: string): Promise<void>;
}

/** Watches the servers of snapshots for whoever sends them calls, so that no call goes to one that restarts. */
export interface ServerWatch {
  /**
   * Resolves with the base URLs of the servers that can answer: at once while there are any, otherwise when one is back.
   * @throws {BackendError} `backend-failed`, retryable, when none came back in the time that the backend gives it
   */
  awaitServers(): Promise<readonly string[]>;
  /** Asks for a check of a server that failed a call; until the check succeeds, it is not among those that can answer. */
  reportFailure(baseUrl: string): void;
}

/** A policy version that can be sampled: in this process, or behind an OpenAI-compatible URL. */
export type PolicySnapshot =
  | { readonly kind: 'engine'; readonly version: number; readonly engine: SamplingEngine }
  | {
      readonly kind: 'openai';
      readonly version: number;
      readonly baseUrl: string;
      /** Base URLs of further servers with the same model and key; a rollout's calls stay on one of them. */
      readonly replicas?: readonly string[];
      readonly model: string;
      readonly apiKey?: string;
      /**
       * False for a model whose tokens are not asked for, such as a teacher of another maker: calls get none of the fields that ask for them,
       * and what is stored is the text. @default true
       */
      readonly reportsTokens?: boolean;
      /** Tells which servers may be asked; works in this process only. @default every server may be asked at any time */
      readonly watch?: ServerWatch;
    };

/** A request to a sampling engine. A message's content is a text, a list of text parts that the engine joins, or null. */
export interface GenerateRequest {
  readonly input:
    | { readonly messages: readonly ChatMessage[]; readonly tools?: readonly JsonValue[] }
    | { readonly prompt: string | Int32Array };
  /** Independent continuations of the one prompt. @default 1 */
  readonly choices?: number;
  /** 0 is greedy. @default 1 */
  readonly temperature?: number;
  readonly maxTokens?: number;
  /** Texts that end a choice; cut from the text, kept in the tokens. */
  readonly stop?: readonly string[];
  /** The same seed, weights and request give the same tokens, whatever else runs beside it. */
  readonly seed?: number;
}

/** An event of a generation. Events come in order: one `prompt`, then pieces, then one `finish` for each choice. */
export type GenerateEvent =
  | {
      readonly type: 'prompt';
      readonly tokens: Int32Array;
      /** True when the prompt ends within a thought, so that the answer begins there. @default false */
      readonly isThinking?: boolean;
    }
  | {
      readonly type: 'piece';
      readonly choice: number;
      /**
       * The text that the tokens completed. For a request with tools, and for every chat of a format that thinks in a channel of its
       * own (`gemma`, `mistral`, `harmony`, `muse`), it has the marks of the engine's `toolCallFormat` in it, special tokens or not.
       */
      readonly text: string;
      readonly tokens: Int32Array;
      readonly logprobs: Float32Array;
    }
  | { readonly type: 'finish'; readonly choice: number; readonly reason: 'stop' | 'length' };

/**
 * The form in which a model writes its tool calls:
 *
 * - `hermes`: `<tool_call>{"name": …, "arguments": {…}}</tool_call>` among text (Hermes, Qwen2.5, Qwen3, SmolLM3, Granite 4)
 * - `qwen-xml`: `<tool_call><function=…><parameter=…>…` (Qwen3-Coder, Qwen3.5 and later, Nemotron 3)
 * - `glm`: `<tool_call>name<arg_key>…</arg_key><arg_value>…</arg_value></tool_call>` (GLM 4.5 to 4.7)
 * - `llama-json`: `{"name": …, "parameters": {…}}` at the start of the answer (Llama 3)
 * - `function-tag`: `<function=name>{…}</function>` among text
 * - `gemma`: `<|tool_call>call:name{key:…}<tool_call|>` (Gemma 4)
 * - `function-gemma`: `<start_function_call>call:name{key:…}<end_function_call>` (FunctionGemma, of the Gemma 3 family)
 * - `lfm2`: `<|tool_call_start|>[name(key=…)]<|tool_call_end|>`
 * - `deepseek-v3`, `deepseek-v31`: `<｜tool▁call▁begin｜>…<｜tool▁sep｜>…`, the arguments in a fence or not
 * - `kimi-k2`: `<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{…}<|tool_call_end|>`
 * - `mistral`, `mistral-list`: `[TOOL_CALLS]name{…}` of newer and `[TOOL_CALLS][{"name": …}]` of older Mistral models
 * - `phi4-mini`: `functools[{"name": …, "arguments": {…}}]`
 * - `toolcall-list`: `<TOOLCALL>[{"name": …, "arguments": {…}}]</TOOLCALL>` (Nemotron 2)
 * - `harmony`: messages in channels (gpt-oss)
 * - `muse`: messages with recipients (Muse Glimmer)
 */
export type ToolCallFormat =
  | 'hermes'
  | 'qwen-xml'
  | 'glm'
  | 'llama-json'
  | 'function-tag'
  | 'gemma'
  | 'function-gemma'
  | 'lfm2'
  | 'deepseek-v3'
  | 'deepseek-v31'
  | 'kimi-k2'
  | 'mistral'
  | 'mistral-list'
  | 'phi4-mini'
  | 'toolcall-list'
  | 'harmony'
  | 'muse';

/** A model in this process that answers chats. */
export interface SamplingEngine {
  /** The most tokens that prompt and response may have together. */
  readonly contextLength: number;
  /** The form in which the model writes tool calls; requests with tools are refused where it is not known. */
  readonly toolCallFormat?: ToolCallFormat | undefined;
  /**
   * Samples. Tokens and log-probabilities are those of the distribution that was sampled from.
   * @throws BackendError `context-exceeded` when the prompt leaves no room for a token; `samples-invalid` for a bad field
   */
  generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterable<GenerateEvent>;
}
