import { check, ConfigurationError, type RolloutMode } from '@agent-lightning/core';
import type { Untrainable } from './check-reply.ts';
import type { ModelRequest } from '../request/model-request.ts';
import { isEmpty } from '../request/request-fields.ts';
import { findGrammar, grammarFields, moveToPrompt, type StructuredOutput } from './structured-output.ts';

/** The sampling that the gateway enforces in one mode, whatever the agent asks for. */
export interface ModeSampling {
  /**
   * The temperature, from 0 to 2; `agent` keeps the agent's own. Train allows neither that nor less than 0.01: its log-probabilities are
   * scored at the temperature that is on the span. @default 1 for train, 0 for val and test
   */
  readonly temperature?: number | 'agent';
  /** The limit of calls that ask for none. @default the engine's */
  readonly maxTokens?: number;
  /** The highest limit; calls that ask for more get this one. @default no limit */
  readonly maxTokensLimit?: number;
  /**
   * The way in which structured output (`response_format`, a forced `tool_choice`, a guide of vLLM) reaches the policy. `prompt`: as a
   * system instruction, so that the policy samples freely, and learns the form. `grammar`: as the agent sent it; such calls are trained
   * on where the server reports the log-probabilities of what it samples under a grammar.
   * @default 'prompt' for train and val. For test, calls are left as the agent sent them, except for an engine in this process, which has no grammars
   */
  readonly structuredOutput?: StructuredOutput;
}

/** Sampling rules by mode. */
export type SamplingOptions = Readonly<Partial<Record<RolloutMode, ModeSampling>>>;

export interface ResolvedModeSampling extends ModeSampling {
  readonly temperature: number | 'agent';
  /** Undefined where calls are left as the agent sent them, if the model can answer them so. */
  readonly structuredOutput?: StructuredOutput;
}

/** A request under the rules, and what they changed. */
export interface RuledRequest {
  readonly request: ModelRequest;
  /** The names of the changes, such as `temperature:0.2→1` or `top_p:dropped`. */
  readonly rules: readonly string[];
  /** The way in which structured output was asked for; undefined when the agent asks for none. */
  readonly structuredOutput: StructuredOutput | undefined;
  /** The field under whose grammar the server decodes; undefined when it samples freely. */
  readonly grammar: string | undefined;
  /** The reason why the reply cannot be trained on whatever it is; undefined when it can. */
  readonly untrainable: Untrainable | undefined;
}

/**
 * Fields that make the engine sample from another distribution than softmax(logits / temperature), which training scores, with their
 * neutral values. They are dropped in every mode, so that validation measures what is trained; a neutral value is dropped without a record.
 */
export const distributionFields: Readonly<Record<string, readonly unknown[]>> = {
  // OpenAI and vLLM
  top_p: [1],
  top_k: [0, -1],
  min_p: [0],
  typical_p: [1],
  presence_penalty: [0],
  frequency_penalty: [0],
  repetition_penalty: [1],
  logit_bias: [],
  allowed_token_ids: [],
  bad_words: [],
  min_tokens: [0],
  thinking_token_budget: [-1],
  use_beam_search: [false],
  vllm_xargs: [],
  logits_processors: [],
  // SGLang
  min_new_tokens: [0],
  custom_logit_processor: [],
  // llama.cpp and others
  repeat_penalty: [1],
  no_repeat_ngram_size: [0],
  top_a: [0],
  top_n_sigma: [0, -1],
  tfs_z: [1],
  mirostat: [0],
  dynatemp_range: [0],
  xtc_probability: [0],
  dry_multiplier: [0],
};

/**
 * The fields that a server gets of a call that is trained on or validated, besides those above: they say what is asked and how the reply is
 * shown, and leave the distribution, the adapter and the server's own state alone. Every other field is dropped by name, since servers
 * have new ones with each version.
 */
export const allowedFields: ReadonlySet<string> = new Set([
  // what is asked
  'model',
  'messages',
  'prompt',
  'suffix',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  ...grammarFields,
  'reasoning_effort',
  'verbosity',
  'modalities',
  'documents',
  'chat_template_kwargs',
  'enable_thinking',
  'add_generation_prompt',
  'continue_final_message',
  'add_special_tokens',
  'truncate_prompt_tokens',
  // how much of it, and where it ends
  'n',
  'temperature',
  'seed',
  'max_tokens',
  'max_completion_tokens',
  'stop',
  'stop_token_ids',
  // how the reply is shown
  'stream',
  'stream_options',
  'logprobs',
  'top_logprobs',
  'return_token_ids',
  'include_reasoning',
  'separate_reasoning',
  'stream_reasoning',
  'include_stop_str_in_output',
  'skip_special_tokens',
  'spaces_between_special_tokens',
  // what changes nothing
  'user',
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
]);

/**
 * The fields that say how much a model of another maker should think and write. Clients send them unasked, such as the OpenAI Agents SDK
 * for its default model. An engine in this process has nothing like them, so for a policy they are dropped by name.
 */
const effortFields: ReadonlySet<string> = new Set(['reasoning_effort', 'verbosity']);

/** The most names of dropped fields that are recorded of a call, and the most characters of one: an agent chooses both. */
const mostDropped = 64;
const longestFieldName = 64;

/** The lowest temperature above greedy sampling: vLLM samples below it as if it were this one. */
const leastTrainTemperature = 0.01;

function maxTokensOf(asked: number | undefined, sampling: ModeSampling): number | undefined {
  const wanted = asked ?? sampling.maxTokens;
  return sampling.maxTokensLimit === undefined
    ? wanted
    : Math.min(wanted ?? sampling.maxTokensLimit, sampling.maxTokensLimit);
}

/** The rules for one call. */
export interface CallRules {
  readonly sampling: ResolvedModeSampling;
  readonly structuredOutput: StructuredOutput;
  /** Tells whether fields that are not in `allowedFields` are dropped; otherwise who answers takes or refuses them. */
  readonly dropsUnknown: boolean;
  /** Tells whether `reasoning_effort` and `verbosity` are dropped, which an engine in this process does not have. */
  readonly dropsEffort: boolean;
  /** The seed of a request that gives none. */
  readonly seed: number | undefined;
}

/** Applies the rules to a request. What must not be trained on because of a grammar is for the caller to say: a server may report enough. */
export function applySamplingRules(asked: ModelRequest, call: CallRules): RuledRequest {
  const { sampling, structuredOutput, seed } = call;
  const moved = structuredOutput === 'prompt' ? moveToPrompt(asked) : { request: asked, rules: [] };
  const { request, rules } = moved;
  const isMoved = rules.length > 0;
  const body: Record<string, unknown> = { ...request.body };
  for (const [field, neutral] of Object.entries(distributionFields)) {
    if (!isEmpty(body[field]) && !neutral.includes(body[field])) rules.push(`${field}:dropped`);
    delete body[field];
  }
  if (call.dropsUnknown) rules.push(...dropFields(body, (field) => !allowedFields.has(field)));
  if (call.dropsEffort) rules.push(...dropFields(body, (field) => effortFields.has(field)));
  const temperature = sampling.temperature === 'agent' ? request.temperature : sampling.temperature;
  if (request.temperature !== undefined && temperature !== request.temperature)
    rules.push(`temperature:${request.temperature}→${temperature}`);
  if (temperature !== undefined) body['temperature'] = temperature;
  const maxTokens = maxTokensOf(request.maxTokens, sampling);
  if (maxTokens !== request.maxTokens) {
    if (request.maxTokens !== undefined) rules.push(`max_tokens:${request.maxTokens}→${maxTokens}`);
    delete body['max_completion_tokens'];
    body['max_tokens'] = maxTokens;
  }
  const effectiveSeed = request.seed ?? seed;
  if (effectiveSeed !== undefined) body['seed'] = effectiveSeed;
  const grammar = findGrammar(body);
  return {
    request: { ...request, body, temperature, topP: undefined, maxTokens, seed: effectiveSeed },
    rules,
    structuredOutput: grammar === undefined ? (isMoved ? 'prompt' : undefined) : 'grammar',
    grammar,
    untrainable: undefined,
  };
}

const modeNames: Readonly<Record<keyof ModeSampling, true>> = {
  temperature: true,
  maxTokens: true,
  maxTokensLimit: true,
  structuredOutput: true,
};

/** Drops the fields that are meant, and returns the names of those changes; a field that says nothing is dropped without a record. */
function dropFields(body: Record<string, unknown>, isMeant: (field: string) => boolean): string[] {
  const meant = Object.keys(body).filter(isMeant);
  const said = meant.filter((field) => !isEmpty(body[field]));
  for (const field of meant) delete body[field];
  const named = said.slice(0, mostDropped).map((field) => `${field.slice(0, longestFieldName)}:dropped`);
  return said.length > mostDropped ? [...named, `${said.length - mostDropped} more fields:dropped`] : named;
}

function resolveMode(mode: RolloutMode, given: ModeSampling | undefined): ResolvedModeSampling {
  if (given !== undefined) check.knownOptions(`Gateway.start: sampling.${mode}`, given, modeNames);
  const temperature = given?.temperature ?? (mode === 'train' ? 1 : 0);
  checkTemperature(mode, temperature);
  for (const field of ['maxTokens', 'maxTokensLimit'] as const) {
    const value = given?.[field];
    if (value !== undefined && (!Number.isInteger(value) || value < 1))
      throw new ConfigurationError(`sampling.${mode}.${field} must be an integer of at least 1, not ${value}`, {
        code: 'option-invalid',
      });
  }
  const structuredOutput = given?.structuredOutput ?? (mode === 'test' ? undefined : 'prompt');
  if (structuredOutput !== undefined)
    check.oneOf(`gateway: sampling.${mode}.structuredOutput`, structuredOutput, ['prompt', 'grammar']);
  return Object.freeze({ ...given, temperature, ...(structuredOutput === undefined ? {} : { structuredOutput }) });
}

function checkTemperature(mode: RolloutMode, temperature: number | 'agent'): void {
  const isTrain = mode === 'train';
  const least = isTrain ? leastTrainTemperature : 0;
  if (temperature === 'agent' ? !isTrain : temperature >= least && temperature <= 2) return;
  const allowed = isTrain ? `a number from ${least} to 2` : "a number from 0 to 2, or 'agent'";
  throw new ConfigurationError(`sampling.${mode}.temperature must be ${allowed}, not ${String(temperature)}`, {
    code: 'option-invalid',
  });
}

/** Returns the rules of every mode, with their defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveSampling(options: SamplingOptions = {}): Readonly<Record<RolloutMode, ResolvedModeSampling>> {
  check.knownOptions('Gateway.start: sampling', options, ['train', 'val', 'test']);
  return Object.freeze({
    train: resolveMode('train', options.train),
    val: resolveMode('val', options.val),
    test: resolveMode('test', options.test),
  });
}
