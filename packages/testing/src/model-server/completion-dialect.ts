import type { ChatRequest, ScriptedReply } from './scripted-reply.ts';
import type { ScriptedToken } from './scripted-tokens.ts';
import { tokensOf, type BuiltReply } from './chat-dialect.ts';

type Payload = Record<string, unknown>;

/** Returns a completion's prompt as the one message of a chat, so that a script need not tell them apart. */
export function asChatRequest(request: Payload): ChatRequest {
  return { ...request, messages: [{ role: 'user', content: (request['prompt'] ?? '') as string }] };
}

function logprobsOf(tokens: readonly ScriptedToken[]): Payload {
  let offset = 0;
  return {
    tokens: tokens.map((token) => token.text),
    token_logprobs: tokens.map((token) => token.logprob),
    top_logprobs: tokens.map((token) => ({ [token.text]: token.logprob })),
    text_offset: tokens.map((token) => {
      const start = offset;
      offset += token.text.length;
      return start;
    }),
  };
}

/** Returns what the reply shows besides the text: what the request asks for and the script allows. */
function viewOf(request: ChatRequest, reply: ScriptedReply): { ids: boolean; logprobs: boolean } {
  return {
    ids: request['return_token_ids'] === true && reply.reportsTokens !== false,
    logprobs: typeof request['logprobs'] === 'number',
  };
}

const head = (built: BuiltReply): Payload => ({
  id: built.id,
  object: 'text_completion',
  created: 1_700_000_000,
  model: built.model,
});

/** Returns the unstreamed completion, as vLLM sends it. */
export function textCompletion(request: ChatRequest, reply: ScriptedReply, built: BuiltReply): Payload {
  const view = viewOf(request, reply);
  return {
    ...head(built),
    choices: built.choices.map((choice, index) => ({
      index,
      text: choice.message['content'] ?? '',
      logprobs: view.logprobs ? logprobsOf(tokensOf(choice)) : null,
      finish_reason: choice.finishReason,
      ...(view.ids ? { token_ids: tokensOf(choice).map((token) => token.id), prompt_token_ids: built.promptIds } : {}),
    })),
    ...(reply.reportsUsage === false ? {} : { usage: built.usage }),
  };
}

/** Returns the streamed completion, a token in each chunk; the prompt's ids come with the first. */
export function textCompletionChunks(request: ChatRequest, reply: ScriptedReply, built: BuiltReply): Payload[] {
  const view = viewOf(request, reply);
  const chunks = built.choices.flatMap((choice, index) => {
    const pieces = [
      ...choice.pieces.map(({ tokens }) => ({ tokens, text: tokens.map((token) => token.text).join(''), end: null })),
      { tokens: choice.endTokens, text: '', end: choice.finishReason },
    ];
    return pieces.map(({ tokens, text, end }, position) => ({
      ...head(built),
      choices: [
        {
          index,
          text,
          logprobs: view.logprobs ? logprobsOf(tokens) : null,
          finish_reason: end,
          ...(view.ids ? { token_ids: tokens.map((token) => token.id) } : {}),
          ...(view.ids && position === 0 ? { prompt_token_ids: built.promptIds } : {}),
        },
      ],
    }));
  });
  const options = request['stream_options'] as { include_usage?: boolean } | undefined;
  const hasUsage = options?.include_usage === true && reply.reportsUsage !== false;
  return hasUsage ? [...chunks, { ...head(built), choices: [], usage: built.usage }] : chunks;
}
