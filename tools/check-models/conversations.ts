/** Lists the conversations that templates are compared over; each stands for one way in which renderers have differed. */
import type { ChatMessage, JsonValue } from '@agent-lightning/core';

/** A conversation, as an agent sends it. */
export interface Conversation {
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly JsonValue[];
}

const user: ChatMessage = { role: 'user', content: 'What is the weather like in Oslo?' };
const system: ChatMessage = { role: 'system', content: '  You are helpful.\n' };
const thanks: ChatMessage = { role: 'user', content: 'Thanks!' };
const says = (content: JsonValue, fields: Record<string, JsonValue> = {}): ChatMessage => ({
  role: 'assistant',
  content,
  ...fields,
});
const part = (text: string): JsonValue => ({ type: 'text', text });

function call(name: string, argumentsText: JsonValue, index = 0): JsonValue {
  return { id: `call0000${index}`, type: 'function', function: { name, arguments: argumentsText } };
}
const result = (content: JsonValue, index = 0): ChatMessage => ({
  role: 'tool',
  tool_call_id: `call0000${index}`,
  name: 'get_weather',
  content,
});

function tool(name: string, description: string | undefined, parameters: JsonValue | undefined): JsonValue {
  return {
    type: 'function',
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      ...(parameters === undefined ? {} : { parameters }),
    },
  };
}

const weather = tool('get_weather', 'The weather <now> & here, in "°C" or \'°F\'.', {
  type: 'object',
  properties: {
    city: { type: 'string', description: 'Such as 東京 or Łódź.' },
    unit: { type: 'string', enum: ['celsius', 'fahrenheit'], default: 'celsius' },
    days: { type: 'array', items: { type: 'integer' }, description: 'Which days.' },
    strict: { type: 'boolean', default: false },
    limit: { type: 'number', minimum: 0.25, maximum: 10 },
    place: {
      type: 'object',
      description: 'A place.',
      properties: { latitude: { type: 'number' }, longitude: { type: 'number', nullable: true } },
      required: ['latitude'],
    },
  },
  required: ['city'],
});
const now = tool('now', 'The time.', { type: 'object', properties: {} });
const odd = tool('odd_one', 'Types that are lists, and what has none.', {
  type: 'object',
  properties: {
    maybe: { type: ['string', 'null'], description: "It's optional" },
    either: { anyOf: [{ type: 'integer' }, { type: 'string' }] },
    list: { type: 'array', items: { type: ['integer', 'null'], description: 'An item' } },
    free: {},
    names: { type: 'array', items: { type: 'object', properties: { first: { type: 'string' } }, required: ['first'] } },
  },
  additionalProperties: false,
});
const tools = [weather, now];

const weatherCall = '{"city": "Zürich 🙂", "days": [1, 2], "strict": true, "limit": 0.5, "note": null}';

const plain: readonly Conversation[] = [
  { name: 'one question', messages: [user] },
  { name: 'system and question', messages: [system, user] },
  { name: 'an empty system prompt', messages: [{ role: 'system', content: '' }, user] },
  {
    name: 'several turns',
    messages: [system, user, says('It rains. '), { role: 'user', content: ' And tomorrow?\n\n' }],
  },
  { name: 'empty texts', messages: [{ role: 'user', content: '' }, says(''), { role: 'user', content: ' ' }] },
  { name: 'content that is null', messages: [user, says(null), thanks] },
  { name: 'two questions in a row', messages: [user, thanks] },
  { name: 'an answer first', messages: [says('Hello'), user] },
  { name: 'a system prompt late', messages: [user, says('It rains.'), system, thanks] },
  {
    name: 'text of many scripts',
    messages: [
      {
        role: 'user',
        content: "naïve nai\u0308ve 日本語 👩‍👩‍👧 Привет, мир! مرحبا\u200f \u00a0x\t\r\n\r\n  12345 it'LL don't\u2028",
      },
    ],
  },
  {
    name: 'blanks that languages define differently',
    messages: [
      { role: 'user', content: '\ufeff\u0085\u001c x \u001f\u200b\ufeff\u3000' },
      says('\u0085yes\ufeff'),
      thanks,
    ],
  },
  { name: 'broken text', messages: [{ role: 'user', content: 'a\ufffd\ufffd\u0000\u0007\u007f\u0080b' }] },
  {
    name: 'special tokens in a text',
    messages: [
      {
        role: 'user',
        content:
          'say <|im_end|> </s> <s> <|eot_id|> <think> twice <|im_start|> <end_of_turn> <｜User｜> <|return|> <bos> [INST] {{ x }} {% if %}',
      },
    ],
  },
  { name: 'thoughts in a text', messages: [user, says('<think>\nHe asks again.\n</think>\n\nIt rains.'), thanks] },
  { name: 'an unclosed thought', messages: [user, says('<think>\nHe asks'), thanks] },
  { name: 'thoughts apart', messages: [user, says('It rains.', { reasoning_content: ' I look out.\n' }), thanks] },
  { name: 'thoughts by another name', messages: [user, says('It rains.', { reasoning: 'I look out.' }), thanks] },
  { name: 'two parts', messages: [{ role: 'user', content: [part('Document A.'), part('Question?')] }] },
  {
    name: 'parts everywhere',
    messages: [
      { role: 'system', content: [part('Be brief.'), part(' Be kind. ')] },
      { role: 'user', content: [part(' One ')] },
      says([part('Two'), part('Three')]),
      { role: 'user', content: [part('Four'), part('')] },
    ],
  },
  {
    name: 'fields that are null',
    messages: [user, says('It rains.', { refusal: null, tool_calls: null, audio: null }), thanks],
  },
];

const calling = (argumentsText: JsonValue, content: JsonValue = ''): ChatMessage =>
  says(content, { tool_calls: [call('get_weather', argumentsText)] });

const withTools: readonly Conversation[] = [
  { name: 'tools', messages: [user], tools },
  { name: 'tools and system', messages: [system, user], tools: [weather] },
  { name: 'tools and an empty system prompt', messages: [{ role: 'system', content: '' }, user], tools },
  { name: 'odd tools', messages: [user], tools: [odd, now] },
  {
    name: 'tools without descriptions',
    messages: [user],
    tools: [tool('bare', '', { type: 'object', properties: {} })],
  },
  {
    name: 'a call and its result',
    messages: [system, user, calling(weatherCall), result('{"degrees": 12.5, "sky": "klar & <hell>"}')],
    tools,
  },
  { name: 'a call without content', messages: [user, calling(weatherCall, null), result('12')], tools },
  {
    name: 'a call, its result, an answer, a question',
    messages: [user, calling(weatherCall), result('12.5'), says('12.5 degrees.'), thanks],
    tools,
  },
  {
    name: 'a call with words before it',
    messages: [user, calling(weatherCall, 'I look it up.'), result('12.5')],
    tools,
  },
  { name: 'no arguments', messages: [user, says('', { tool_calls: [call('now', '')] }), result('07:08')], tools },
  {
    name: 'arguments that are null',
    messages: [user, says('', { tool_calls: [call('now', null)] }), result('07:08')],
    tools,
  },
  { name: 'an empty object', messages: [user, says('', { tool_calls: [call('now', '{}')] }), result('07:08')], tools },
  {
    name: 'two calls at once',
    messages: [
      user,
      says('', { tool_calls: [call('get_weather', '{"city": "Oslo"}'), call('now', '{}', 1)] }),
      result('12.5'),
      result('07:08', 1),
    ],
    tools,
  },
  {
    name: 'numbers as they were written',
    messages: [
      user,
      calling('{"id": 2512292042121000001, "x": 1.0, "y": -0.5, "tiny": 1e-07, "10": "b", "2": "a", "b": 3}'),
      result('ok'),
    ],
    tools,
  },
  {
    name: 'nested arguments',
    messages: [
      user,
      calling(
        '{"a": {"b": [1, [2.5, {"c": null}], true, false], "": {}}, "list": [], "text": "1", "yes": true, "no": null}',
      ),
      result('ok'),
    ],
    tools,
  },
  {
    name: 'marks and quotes in arguments',
    messages: [
      user,
      calling(
        '{"sql": "SELECT \\"a\\" FROM b\\nWHERE c < \'d\' & e > \\\\f", "mark": "</tool_call> <|im_end|> </function>", "é": "\\u00e9\\ud83d\\ude42"}',
      ),
      result('line 1\n  line 2\n'),
    ],
    tools,
  },
  {
    name: 'a result in parts',
    messages: [user, calling(weatherCall), { ...result(''), content: [part('12.5'), part('rain')] }],
    tools,
  },
  {
    name: 'thoughts before a call',
    messages: [
      user,
      says('', { reasoning_content: 'I look it up.', tool_calls: [call('now', '{}')] }),
      result('07:08'),
    ],
    tools,
  },
  {
    name: 'thoughts in the text before a call',
    messages: [
      user,
      says('<think>\nI look.\n</think>\n\nI look it up.', { tool_calls: [call('now', '{}')] }),
      result('07:08'),
    ],
    tools,
  },
  { name: 'a call without tools now', messages: [user, calling(weatherCall), result('12.5')] },
  { name: 'an empty list of calls', messages: [user, says('It rains.', { tool_calls: [] }), thanks], tools },
  {
    name: 'a result that is no text of JSON',
    messages: [user, calling('{"city": "Oslo"}'), result('Error: <no> such "city"')],
    tools,
  },
];

/** Every conversation. */
export const conversations: readonly Conversation[] = [...plain, ...withTools];
