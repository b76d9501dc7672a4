/** What the fake samples: scripted words, with the log-probabilities of a distribution that temperature bends. */
import {
  endOfTurnToken,
  tokenizeScripted,
  type ChatRequest,
  type ScriptedReply,
  type ScriptedToken,
} from '@agent-lightning/testing';

export interface LogprobSettings {
  readonly logprobsMode: 'raw_logprobs' | 'processed_logprobs';
  /** What the model's `generation_config.json` gives fields that a request leaves out; undefined with `--generation-config vllm`. */
  readonly generationConfig: { readonly temperature?: number } | undefined;
}

/** The other token at every position; the distribution has two. */
const otherText = '<other>';

/** A reply whose log-probabilities are those that the server would send; only plain texts are bent, other replies stay as scripted. */
export function sampleReply(request: ChatRequest, reply: ScriptedReply, settings: LogprobSettings): ScriptedReply {
  const { choices, logprobs, tokenIds, toolCalls, reasoning, refusal, content } = reply;
  if ([choices, logprobs, tokenIds, toolCalls, reasoning, refusal].some((field) => field !== undefined)) return reply;
  const temperature = temperatureOf(request, settings);
  const limit = limitOf(request) ?? Number.POSITIVE_INFINITY;
  const words = tokenizeScripted(content ?? '');
  const isCut = words.length >= limit;
  const shown = words.slice(0, limit);
  const tokens = isCut ? shown : [...words, endOfTurnToken];
  return {
    ...reply,
    content: shown.map((token) => token.text).join(''),
    ...(isCut ? { finishReason: 'length' } : {}),
    logprobs: tokens.map((token) => bend(token.logprob, temperature)),
    rewrite: (payload, index) => {
      const complete = withAlternatives(payload, request, tokens, temperature);
      return reply.rewrite?.(complete, index) ?? complete;
    },
  };
}

/** At temperature T a log-probability becomes that of p^(1/T), normalised; greedy reports temperature 1. */
function bend(logprob: number, temperature: number): number {
  const [chosen, other] = pairAt(logprob, temperature);
  return chosen - Math.log(Math.exp(chosen) + Math.exp(other));
}

function pairAt(logprob: number, temperature: number): readonly [number, number] {
  const divisor = temperature === 0 ? 1 : temperature;
  return [logprob / divisor, Math.log1p(-Math.exp(logprob)) / divisor];
}

function temperatureOf(request: ChatRequest, settings: LogprobSettings): number {
  if (settings.logprobsMode === 'raw_logprobs') return 1;
  const asked = request['temperature'];
  return typeof asked === 'number' ? asked : (settings.generationConfig?.temperature ?? 1);
}

function limitOf(request: ChatRequest): number | undefined {
  const limit = request['max_completion_tokens'] ?? request['max_tokens'];
  return typeof limit === 'number' ? limit : undefined;
}

/** Completions list the alternatives of each token when more than one is asked for. */
function withAlternatives(
  payload: Record<string, unknown>,
  request: ChatRequest,
  tokens: readonly ScriptedToken[],
  temperature: number,
): Record<string, unknown> {
  const wanted = request['logprobs'];
  if (typeof wanted !== 'number' || wanted < 2 || request.stream === true) return payload;
  const choices = payload['choices'] as readonly { logprobs?: Record<string, unknown> | null }[];
  const alternatives = tokens.map((token) => {
    const [chosen, other] = pairAt(token.logprob, temperature);
    const total = Math.log(Math.exp(chosen) + Math.exp(other));
    return { [token.text]: chosen - total, [otherText]: other - total };
  });
  return {
    ...payload,
    choices: choices.map((choice) => ({
      ...choice,
      ...(choice.logprobs ? { logprobs: { ...choice.logprobs, top_logprobs: alternatives } } : {}),
    })),
  };
}
