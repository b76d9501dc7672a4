import { callsOf, piecesOf, type Event, type TypedData, type Writing } from './write-chat.ts';

const usage = {
  input_tokens: 11,
  output_tokens: 7,
  total_tokens: 18,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens_details: { reasoning_tokens: 0 },
};

interface OutputItem {
  readonly id: string;
  readonly type: string;
  readonly [field: string]: unknown;
}

function outputOf(writing: Writing): readonly OutputItem[] {
  const { reply, id } = writing;
  if (!('text' in reply))
    return callsOf(writing).map((made, index) => ({
      id: `fc_${id}_${index}`,
      type: 'function_call',
      status: 'completed',
      call_id: made.id,
      name: made.name,
      arguments: made.json,
    }));
  const content = [{ type: 'output_text', text: reply.text, annotations: [], logprobs: [] }];
  return [{ id: `msg_${id}`, type: 'message', status: 'completed', role: 'assistant', content }];
}

function responseOf({ request, id }: Writing, status: string, output: readonly OutputItem[]): unknown {
  return {
    id: `resp_${id}`,
    object: 'response',
    created_at: 1_700_000_000,
    status,
    model: request.model,
    output,
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    parallel_tool_calls: true,
    temperature: 1,
    top_p: 1,
    tool_choice: 'auto',
    tools: [],
    text: { format: { type: 'text' } },
    ...(status === 'completed' && { usage }),
  };
}

/** Returns the whole reply of the Responses dialect. */
export function responsesBody(writing: Writing): unknown {
  return responseOf(writing, 'completed', outputOf(writing));
}

/** Returns the streamed reply of the Responses dialect. */
export function responsesEvents(writing: Writing): readonly Event[] {
  const output = outputOf(writing);
  const events: readonly TypedData[] = [
    { type: 'response.created', response: responseOf(writing, 'in_progress', []) },
    ...output.flatMap((item, index) => itemEvents(item, index)),
    { type: 'response.completed', response: responseOf(writing, 'completed', output) },
  ];
  return events.map((event, index) => ({ name: event.type, data: { ...event, sequence_number: index } }));
}

function itemEvents(item: OutputItem, index: number): readonly TypedData[] {
  const place = { item_id: item.id, output_index: index };
  const inner = item.type === 'message' ? textEvents(item, place) : argumentEvents(item, place);
  const opened = item.type === 'message' ? { ...item, content: [] } : { ...item, arguments: '' };
  return [
    { type: 'response.output_item.added', output_index: index, item: { ...opened, status: 'in_progress' } },
    ...inner,
    { type: 'response.output_item.done', output_index: index, item },
  ];
}

function textEvents({ content }: OutputItem, item: object): readonly TypedData[] {
  const part = (content as readonly { readonly text: string }[])[0]!;
  const place = { ...item, content_index: 0 };
  return [
    { type: 'response.content_part.added', ...place, part: { ...part, text: '' } },
    ...piecesOf(part.text).map((delta) => ({ type: 'response.output_text.delta', ...place, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...place, text: part.text, logprobs: [] },
    { type: 'response.content_part.done', ...place, part },
  ];
}

function argumentEvents({ arguments: json, name }: OutputItem, place: object): readonly TypedData[] {
  return [
    { type: 'response.function_call_arguments.delta', ...place, delta: json },
    { type: 'response.function_call_arguments.done', ...place, arguments: json, name },
  ];
}
