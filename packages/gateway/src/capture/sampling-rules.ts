import { ConfigurationError, type RolloutMode } from '@agent-lightning/core';
import type { JsonObject } from '../http/read-body.ts';
import type { Untrainable } from './check-reply.ts';
import type { ModelRequest } from '../request/model-request.ts';

/** The sampling that the gateway enforces in one mode, whatever the agent asks for. */
export interface ModeSampling {
  /** The temperature; `agent` keeps the agent's own, which train does not allow. @default 1 for train, 0 for val and test */
  readonly temperature?: number | 'agent';
  /** The limit of calls that ask for none. @default the engine's */
  readonly maxTokens?: number;
  /** The highest limit; calls that ask for more get this one. @default no limit */
  readonly maxTokensLimit?: number;
}

/** Sampling rules by mode. */
export type SamplingOptions = Readonly<Partial<Record<RolloutMode, ModeSampling>>>;

export interface ResolvedModeSampling extends ModeSampling {
  readonly temperature: number | 'agent';
}

/** A request under the rules, and what they changed. */
export interface RuledRequest {
  readonly request: ModelRequest;
  /** The names of the changes, such as `temperature:0.2→1` or `top_p:dropped`. */
  readonly rules: readonly string[];
  /** The reason why the reply cannot be trained on whatever it is; undefined when it can. */
  readonly untrainable: Untrainable | undefined;
}

/**
 * Fields that make the engine sample from another distribution than the policy's own, which training scores. They are
 * dropped in every mode, so that validation measures what is trained; a neutral value is dropped without a record.
 */
const distributionFields: Readonly<Record<string, readonly unknown[]>> = {
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
};

/** Fields that make the engine decode under a grammar: the agent needs them, so they stay, and the call is not trained on. */
const grammarFields: readonly string[] = [
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
  'structured_outputs',
];

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0);
}

function grammarOf(body: JsonObject): string | undefined {
  const format = body['response_format'] as JsonObject | undefined | null;
  if (!isEmpty(format) && format?.['type'] !== 'text') return 'response_format';
  const choice = body['tool_choice'];
  if (choice === 'required' || (typeof choice === 'object' && choice !== null)) return 'tool_choice';
  return grammarFields.find((field) => !isEmpty(body[field]));
}

function maxTokensOf(asked: number | undefined, sampling: ModeSampling): number | undefined {
  const wanted = asked ?? sampling.maxTokens;
  return sampling.maxTokensLimit === undefined
    ? wanted
    : Math.min(wanted ?? sampling.maxTokensLimit, sampling.maxTokensLimit);
}

/** Applies a mode's rules; `seed` is for a request that gives none. */
export function applySamplingRules(
  request: ModelRequest,
  sampling: ResolvedModeSampling,
  seed: number | undefined,
): RuledRequest {
  const rules: string[] = [];
  const body: Record<string, unknown> = { ...request.body };
  for (const [field, neutral] of Object.entries(distributionFields)) {
    if (!isEmpty(body[field]) && !neutral.includes(body[field])) rules.push(`${field}:dropped`);
    delete body[field];
  }
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
  const grammar = grammarOf(body);
  return {
    request: { ...request, body, temperature, topP: undefined, maxTokens, seed: effectiveSeed },
    rules,
    untrainable:
      grammar === undefined
        ? undefined
        : {
            kind: 'grammar',
            reason: `grammar: \`${grammar}\` makes the engine sample from another distribution than the policy's`,
          },
  };
}

function resolveMode(mode: RolloutMode, given: ModeSampling | undefined): ResolvedModeSampling {
  const temperature = given?.temperature ?? (mode === 'train' ? 1 : 0);
  if (temperature === 'agent' ? mode === 'train' : !(temperature >= 0 && temperature <= 2)) {
    throw new ConfigurationError(
      `sampling.${mode}.temperature must be a number from 0 to 2${mode === 'train' ? '' : ", or 'agent'"}, not ${String(temperature)}`,
      { code: 'option-invalid' },
    );
  }
  for (const field of ['maxTokens', 'maxTokensLimit'] as const) {
    const value = given?.[field];
    if (value !== undefined && (!Number.isInteger(value) || value < 1))
      throw new ConfigurationError(`sampling.${mode}.${field} must be an integer of at least 1, not ${value}`, {
        code: 'option-invalid',
      });
  }
  return Object.freeze({ ...given, temperature });
}

/** Returns the rules of every mode, with their defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveSampling(options: SamplingOptions = {}): Readonly<Record<RolloutMode, ResolvedModeSampling>> {
  return Object.freeze({
    train: resolveMode('train', options.train),
    val: resolveMode('val', options.val),
    test: resolveMode('test', options.test),
  });
}
