import { isLogprob, type TokenBlob } from '@agent-lightning/core';
import { readPythonLiteral, type PythonValue } from './python-literal.ts';
import type { AnyAttributes } from './trace-export.ts';

/** The tokens that a sender put into attributes. */
export interface FoundTokens {
  /** Undefined where they cannot be trained on. */
  readonly tokens: TokenBlob | undefined;
  /** Says why they cannot be. */
  readonly problem: string | undefined;
  /** The attributes that are nothing but the tokens, by what they hold: they are kept as tokens instead. */
  readonly lifted: { readonly prompt?: string; readonly response?: string };
  /** What a reply that was kept whole says beside its tokens. */
  readonly reply: { readonly responseId?: string; readonly model?: string; readonly finishReason?: string };
}

const promptNames: readonly string[] = ['prompt_token_ids', 'agentlightning.operation.output.prompt_token_ids'];
const responseNames: readonly string[] = [
  'response_token_ids',
  'agentlightning.operation.output.response_token_ids.0',
  'agentlightning.operation.output.choices.0.token_ids',
  'agentlightning.operation.output.choices.0.provider_specific_fields.token_ids',
];
const logprobNames: readonly string[] = ['response_logprobs', 'logprobs.content'];

/** The replies that LiteLLM keeps whole, as `llm.<provider>.<member of the reply>`. */
const rawReply = /^llm\.([A-Za-z0-9_-]+)\.prompt_token_ids$/u;

/** Finds the token ids and log-probabilities of a model call among its attributes; undefined where there are no ids. */
export function findTokens(attributes: AnyAttributes): FoundTokens | undefined {
  const raw = Object.keys(attributes).find((name) => name.startsWith('llm.') && rawReply.test(name));
  return raw === undefined ? findFlat(attributes) : findRaw(attributes, raw.slice(0, -'.prompt_token_ids'.length));
}

function findFlat(attributes: AnyAttributes): FoundTokens | undefined {
  const promptName = promptNames.find((name) => name in attributes);
  const responseName = responseNames.find((name) => name in attributes);
  if (promptName === undefined || responseName === undefined) return undefined;
  const prompt = toValues(attributes[promptName]);
  const response = toValues(attributes[responseName]);
  if (!Array.isArray(prompt) || !Array.isArray(response)) return undefined;
  const logprobs = logprobNames
    .map((name) => toLogprobs(toValues(attributes[name])))
    .find((each) => each !== undefined);
  const lifted = {
    ...(Array.isArray(attributes[promptName]) ? { prompt: promptName } : {}),
    ...(Array.isArray(attributes[responseName]) ? { response: responseName } : {}),
  };
  return { ...toTokens(prompt, response, logprobs), lifted, reply: {} };
}

/** Reads the reply of an OpenAI-like server that LiteLLM keeps as Python's text, member by member. */
function findRaw(attributes: AnyAttributes, prefix: string): FoundTokens | undefined {
  const read = (member: string): unknown => toValues(attributes[`${prefix}.${member}`]);
  const choices = read('choices');
  const choice = (Array.isArray(choices) ? choices[0] : undefined) as Record<string, unknown> | null | undefined;
  const nested = read('response_token_ids');
  const response = choice?.['token_ids'] ?? (Array.isArray(nested) && Array.isArray(nested[0]) ? nested[0] : nested);
  const prompt = read('prompt_token_ids');
  if (!Array.isArray(prompt) || !Array.isArray(response)) return undefined;
  const content = (choice?.['logprobs'] as Record<string, unknown> | null | undefined)?.['content'];
  const { [`${prefix}.id`]: responseId, [`${prefix}.model`]: model } = attributes;
  const finishReason = choice?.['finish_reason'];
  return {
    ...toTokens(prompt, response, toLogprobs(content)),
    lifted: {},
    reply: {
      ...(typeof responseId === 'string' ? { responseId } : {}),
      ...(typeof model === 'string' ? { model } : {}),
      ...(typeof finishReason === 'string' ? { finishReason } : {}),
    },
  };
}

/** Returns a list as it is, and what a text says as a literal of Python or as JSON. */
function toValues(value: unknown): unknown {
  return typeof value === 'string' ? readPythonLiteral(value) : value;
}

/** Reads log-probabilities, given as numbers or as the entries of OpenAI's `logprobs.content`. */
function toLogprobs(value: unknown): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const numbers = (value as readonly PythonValue[]).map((entry) =>
    typeof entry === 'object' && entry !== null && 'logprob' in entry ? (entry as { logprob: unknown }).logprob : entry,
  );
  return numbers.every((each) => typeof each === 'number') ? (numbers as readonly number[]) : undefined;
}

function toTokens(
  prompt: readonly unknown[],
  response: readonly unknown[],
  logprobs: readonly number[] | undefined,
): Pick<FoundTokens, 'tokens' | 'problem'> {
  const problem = tokenProblem(prompt, response, logprobs);
  if (problem !== undefined) return { tokens: undefined, problem };
  return {
    tokens: {
      prompt: Int32Array.from(prompt as readonly number[]),
      response: Int32Array.from(response as readonly number[]),
      logprobs: Float32Array.from(logprobs as readonly number[]),
    },
    problem: undefined,
  };
}

function tokenProblem(
  prompt: readonly unknown[],
  response: readonly unknown[],
  logprobs: readonly number[] | undefined,
): string | undefined {
  if (!prompt.every(isTokenId)) return 'a token id of the prompt is no whole number from 0 to 2147483647';
  if (!response.every(isTokenId)) return 'a token id of the response is no whole number from 0 to 2147483647';
  if (logprobs === undefined) return 'the sender reported token ids without log-probabilities';
  if (logprobs.length !== response.length)
    return `the sender reported ${logprobs.length} log-probabilities for ${response.length} response tokens`;
  const bad = logprobs.findIndex((value) => !isLogprob(value));
  return bad < 0 ? undefined : `log-probability ${bad} is ${logprobs[bad]}`;
}

function isTokenId(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 2_147_483_647;
}
