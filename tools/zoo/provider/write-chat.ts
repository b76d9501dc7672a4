import type { ModelRequest } from './read-conversation.ts';
import type { Reply } from './script.ts';

/** A reply that is about to be written, and the id that everything of it begins with. */
export interface Writing {
  readonly request: ModelRequest;
  readonly reply: Exclude<Reply, { readonly status: number }>;
  readonly id: string;
}

/** A server-sent event; without a name only its data is sent. */
export interface Event {
  readonly name?: string;
  readonly data: unknown;
}

/** The data of an event that names its type. */
export interface TypedData {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Returns a text in pieces, as a model streams it. */
export function piecesOf(text: string): readonly string[] {
  return text.match(/\S+\s*/g) ?? [];
}

/** Returns a reply's calls with ids and their arguments as JSON; none for a text. */
export function callsOf({ reply, id }: Writing): readonly { id: string; name: string; json: string }[] {
  const calls = 'calls' in reply ? reply.calls : [];
  return calls.map(({ name, arguments: args }, index) => ({
    id: `call_${id}_${index}`,
    name,
    json: JSON.stringify(args),
  }));
}

const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

/** Returns the whole reply of Chat Completions. */
export function chatBody(writing: Writing): unknown {
  const { request, reply, id } = writing;
  const calls = callsOf(writing).map((made) => ({
    id: made.id,
    type: 'function',
    function: { name: made.name, arguments: made.json },
  }));
  const content = 'text' in reply ? reply.text : null;
  return {
    id: `chatcmpl-${id}`,
    object: 'chat.completion',
    created: 1_700_000_000,
    model: request.model,
    usage,
    choices: [
      {
        index: 0,
        logprobs: null,
        finish_reason: calls.length > 0 ? 'tool_calls' : 'stop',
        message: {
          role: 'assistant',
          content,
          refusal: null,
          ...(calls.length > 0 && { tool_calls: calls }),
        },
      },
    ],
  };
}

/** Returns the streamed reply of Chat Completions. */
export function chatEvents(writing: Writing): readonly Event[] {
  const { request, reply, id } = writing;
  const head = { id: `chatcmpl-${id}`, object: 'chat.completion.chunk', created: 1_700_000_000, model: request.model };
  const chunk = (delta: unknown, finishReason: string | null = null): Event => ({
    data: { ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }] },
  });
  const texts = 'text' in reply ? piecesOf(reply.text).map((content) => chunk({ content })) : [];
  const calls = callsOf(writing).flatMap((made, index) => [
    chunk({ tool_calls: [{ index, id: made.id, type: 'function', function: { name: made.name, arguments: '' } }] }),
    chunk({ tool_calls: [{ index, function: { arguments: made.json } }] }),
  ]);
  return [
    chunk({ role: 'assistant', content: '' }),
    ...texts,
    ...calls,
    chunk({}, calls.length > 0 ? 'tool_calls' : 'stop'),
    ...(request.stream_options?.include_usage === true ? [{ data: { ...head, choices: [], usage } }] : []),
  ];
}
