import type { ScriptedChoice, ScriptedReply } from '@agent-lightning/testing';
import type { DialectName } from '../../src/dialects/dialect.ts';

/** One exchange before it is recorded: what an agent asks in its dialect, and what the model says. */
export interface Scenario {
  readonly dialect: DialectName;
  readonly name: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly reply: ScriptedReply;
}

const schema = { type: 'object', properties: { count: { type: 'integer' } }, required: ['count'] };
const parameters = { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] };
const image = 'data:image/png;base64,iVBORw0KGgo=';
const call = (query: string): NonNullable<ScriptedChoice['toolCalls']>[number] => ({
  name: 'run_sql',
  arguments: { query },
});

/** What the model says, whatever the dialect. */
const replies = {
  plain: { content: 'There are six singers.' },
  unicode: { content: 'Sängerinnen: 六 🎤\n"quoted" \\ \u2028 done' },
  tools: { content: 'Let me look.', toolCalls: [call('select count(*) from singer')] },
  parallel: { toolCalls: [call('select 1'), call('select "two"'), call('select 3')] },
  structured: { content: '{"count": 6}' },
  image: { content: 'A stage with lights.' },
  reasoning: { reasoning: 'Count the rows. Then answer.', content: 'Six.' },
  refusal: { content: null, refusal: 'I cannot help with that.' },
  choices: { choices: [{ content: 'Six.' }, { content: 'Half a dozen, I think.' }] },
  stop: { content: 'select 1' },
  length: { content: 'select count(*) from', finishReason: 'length' },
  loop: { content: 'Six.' },
  busy: { fault: { type: 'status', status: 429, message: 'too many', headers: { 'retry-after': '7' } } },
  rejected: { fault: { type: 'status', status: 400, message: 'the prompt is too long' } },
  failed: { fault: { type: 'status', status: 500, message: 'out of memory' } },
} satisfies Record<string, ScriptedReply>;

type Name = keyof typeof replies;
type Requests = Partial<Record<Name, Readonly<Record<string, unknown>>>>;

const question = 'How many singers are there?';
const functionTool = { name: 'run_sql', description: 'Runs a query.', parameters };

function chatRequests(): Requests {
  const plain = { messages: [{ role: 'user', content: question }] };
  const tools = { ...plain, tools: [{ type: 'function', function: functionTool }] };
  const turn = {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'run_sql', arguments: '{"query":"select 1"}' } }],
  };
  return {
    plain: { messages: [{ role: 'system', content: 'Be brief.' }, ...plain.messages], temperature: 0.3, top_p: 0.9 },
    unicode: { messages: [{ role: 'user', content: 'Wie viele Sängerinnen? 🎤' }] },
    tools,
    parallel: { ...tools, parallel_tool_calls: true },
    structured: { ...plain, response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } },
    image: {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: image } },
          ],
        },
      ],
    },
    reasoning: { ...plain, reasoning_effort: 'low' },
    refusal: plain,
    choices: { ...plain, n: 2 },
    stop: { ...plain, stop: [';'], seed: 7 },
    length: { ...plain, max_completion_tokens: 4 },
    loop: { ...tools, messages: [...plain.messages, turn, { role: 'tool', tool_call_id: 'call_1', content: '6' }] },
    busy: plain,
    rejected: plain,
    failed: plain,
  };
}

function completionRequests(): Requests {
  const plain = { prompt: `Question: ${question}\nAnswer:`, max_tokens: 16 };
  return {
    plain,
    unicode: { ...plain, prompt: 'Wie viele Sängerinnen? 🎤' },
    choices: { ...plain, n: 2 },
    stop: { ...plain, stop: ';', prompt: [11, 12, 13] },
    length: { ...plain, max_tokens: 4 },
    busy: plain,
    rejected: plain,
    failed: plain,
  };
}

function responseRequests(): Requests {
  const plain = { input: question };
  const tools = { ...plain, tools: [{ type: 'function', strict: true, ...functionTool }] };
  return {
    plain: { ...plain, instructions: 'Be brief.', metadata: { run: '7' } },
    unicode: { input: [{ role: 'user', content: 'Wie viele Sängerinnen? 🎤' }] },
    tools,
    parallel: { ...tools, parallel_tool_calls: true },
    structured: { ...plain, text: { format: { type: 'json_schema', name: 'answer', schema, strict: true } } },
    image: {
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'What is this?' },
            { type: 'input_image', image_url: image, detail: 'auto' },
          ],
        },
      ],
    },
    reasoning: { ...plain, reasoning: { effort: 'low', summary: 'auto' } },
    refusal: plain,
    stop: { ...plain, stop: [';'] },
    length: { ...plain, max_output_tokens: 4 },
    loop: {
      ...tools,
      input: [
        { role: 'user', content: question },
        { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'I should look.' }] },
        { type: 'function_call', call_id: 'call_1', name: 'run_sql', arguments: '{"query": "select 1"}' },
        { type: 'function_call_output', call_id: 'call_1', output: '6' },
      ],
    },
    busy: plain,
    rejected: plain,
    failed: plain,
  };
}

function messageRequests(): Requests {
  const plain = { max_tokens: 64, messages: [{ role: 'user', content: question }] };
  const tools = {
    ...plain,
    tools: [{ name: 'run_sql', description: 'Runs a query.', input_schema: parameters }],
  };
  return {
    plain: { ...plain, system: 'Be brief.' },
    unicode: { ...plain, messages: [{ role: 'user', content: 'Wie viele Sängerinnen? 🎤' }] },
    tools,
    parallel: { ...tools, tool_choice: { type: 'auto' } },
    structured: { ...plain, output_config: { format: { type: 'json_schema', schema } } },
    image: {
      ...plain,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
            { type: 'text', text: 'What is this?' },
          ],
        },
      ],
    },
    reasoning: { ...plain, thinking: { type: 'adaptive' } },
    refusal: plain,
    stop: { ...plain, stop_sequences: [';'] },
    length: { ...plain, max_tokens: 4 },
    loop: {
      ...tools,
      messages: [
        ...plain.messages,
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'I should look.', signature: '' },
            { type: 'tool_use', id: 'call_1', name: 'run_sql', input: { query: 'select 1' } },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_1', content: 'no rows', is_error: true }] },
      ],
    },
    busy: plain,
    rejected: plain,
    failed: plain,
  };
}

const requests: Readonly<Record<DialectName, Requests>> = {
  chat: chatRequests(),
  completions: completionRequests(),
  responses: responseRequests(),
  messages: messageRequests(),
};

/** Every exchange of the corpus, streamed and not. */
export const scenarios: readonly Scenario[] = Object.entries(requests).flatMap(([dialect, byName]) =>
  Object.entries(byName).flatMap(([name, request]) =>
    [false, true].map((stream) => ({
      dialect: dialect as DialectName,
      name: `${name}${stream ? ', streamed' : ''}`,
      request: { model: 'policy', ...request, ...(stream ? { stream } : {}) },
      reply: replies[name as Name],
    })),
  ),
);
