/** The two sizes of reply that are measured: a short chat, and a long context with a thousand sampled tokens. */
export const replySizes = {
  '12KB': { promptIds: 700, sampledTokens: 72 },
  '203KB': { promptIds: 20_000, sampledTokens: 1_000 },
} as const;

export type ReplySize = keyof typeof replySizes;

/** A reply as vLLM sends it with `return_token_ids` and `logprobs`. */
interface CannedReply {
  readonly whole: Buffer;
  /** Server-sent events, `[DONE]` included. */
  readonly events: readonly Buffer[];
}

const head = { id: 'chatcmpl-bench', created: 1_700_000_000, model: 'bench' };

function entryOf(position: number): { token: string; logprob: number; bytes: number[]; top_logprobs: never[] } {
  const token = ` word${position}`;
  return { token, logprob: -0.125 - (position % 100) / 317, bytes: [...Buffer.from(token)], top_logprobs: [] };
}

/** Canned, so that the mock costs as little as a mock can. */
export function cannedReply(size: ReplySize): CannedReply {
  const { promptIds, sampledTokens } = replySizes[size];
  const prompt = Array.from({ length: promptIds }, (_, index) => (index * 7_919) % 32_000);
  const ids = Array.from({ length: sampledTokens }, (_, index) => (index * 104_729) % 32_000);
  const entries = ids.map((_, index) => entryOf(index));
  const content = entries.map((entry) => entry.token).join('');
  const usage = {
    prompt_tokens: promptIds,
    completion_tokens: sampledTokens,
    total_tokens: promptIds + sampledTokens,
  };
  const whole = {
    ...head,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content },
        logprobs: { content: entries },
        finish_reason: 'stop',
        token_ids: ids,
      },
    ],
    usage,
    prompt_token_ids: prompt,
  };
  const chunk = (choice: object, rest: object = {}): object => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [choice],
    ...rest,
  });
  const chunks = [
    chunk(
      { index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null },
      { prompt_token_ids: prompt },
    ),
    ...entries.map((entry, index) =>
      chunk({
        index: 0,
        delta: { content: entry.token },
        logprobs: { content: [entry] },
        finish_reason: null,
        token_ids: [ids[index]],
      }),
    ),
    chunk({ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }),
    { ...head, object: 'chat.completion.chunk', choices: [], usage },
  ];
  return {
    whole: Buffer.from(JSON.stringify(whole)),
    events: [
      ...chunks.map((payload) => Buffer.from(`data: ${JSON.stringify(payload)}\n\n`)),
      Buffer.from('data: [DONE]\n\n'),
    ],
  };
}
