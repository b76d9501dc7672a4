import { callsOf, piecesOf, type Event, type TypedData, type Writing } from './write-chat.ts';

type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: unknown };

function blocksOf(writing: Writing): readonly Block[] {
  if ('text' in writing.reply) return [{ type: 'text', text: writing.reply.text }];
  return callsOf(writing).map(({ id, name, json }) => ({
    type: 'tool_use',
    id,
    name,
    input: JSON.parse(json) as unknown,
  }));
}

function messageOf({ request, id }: Writing, content: readonly Block[], stopReason: string | null): object {
  return {
    id: `msg_${id}`,
    type: 'message',
    role: 'assistant',
    model: request.model,
    content,
    stop_reason: stopReason,
    stop_sequence: null,
    usage: {
      input_tokens: 11,
      output_tokens: 7,
    },
  };
}

const stopReasonOf = ({ reply }: Writing): string => ('text' in reply ? 'end_turn' : 'tool_use');

/** Returns the whole reply of Anthropic's Messages dialect. */
export function messagesBody(writing: Writing): unknown {
  return messageOf(writing, blocksOf(writing), stopReasonOf(writing));
}

/** Returns the streamed reply of Anthropic's Messages dialect. */
export function messagesEvents(writing: Writing): readonly Event[] {
  const delta = { stop_reason: stopReasonOf(writing), stop_sequence: null };
  const events: readonly TypedData[] = [
    { type: 'message_start', message: messageOf(writing, [], null) },
    ...blocksOf(writing).flatMap(blockEvents),
    { type: 'message_delta', delta, usage: { output_tokens: 7 } },
    { type: 'message_stop' },
  ];
  return events.map((event) => ({ name: event.type, data: event }));
}

function blockEvents(block: Block, index: number): readonly TypedData[] {
  const opened = block.type === 'text' ? { ...block, text: '' } : { ...block, input: {} };
  const deltas =
    block.type === 'text'
      ? piecesOf(block.text).map((text) => ({ type: 'text_delta', text }))
      : [{ type: 'input_json_delta', partial_json: JSON.stringify(block.input) }];
  return [
    { type: 'content_block_start', index, content_block: opened },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ];
}
