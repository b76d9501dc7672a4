import type { ChatMessage, JsonValue } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';

import { ChatTemplate } from './chat-template.ts';

const make = (template: string): ChatTemplate => new ChatTemplate({ template, name: 'model/chat_template.jinja' }, {});
const content = '{% for m in messages %}<{{ m.content }}>{% endfor %}';
const calls =
  '{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.name }}({{ c.function.arguments | tojson }}){% endfor %}{% endfor %}';
const eachValue =
  '{% for m in messages %}{% for c in m.tool_calls or [] %}{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }};{% endfor %}{% endfor %}{% endfor %}';
const parts = '{% for m in messages %}<{% for p in m.content %}{{ p.text }}|{% endfor %}>{% endfor %}';
const either =
  '{% for m in messages %}<{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}|{% endfor %}{% endif %}>{% endfor %}';

const called = (given: JsonValue): ChatMessage => ({
  role: 'assistant',
  content: null,
  tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: given } }],
});

describe('the content of a message', () => {
  const two = [
    { type: 'text', text: 'Document A.' },
    { type: 'text', text: 'Question?' },
  ];

  it.each([
    [content, '<Document A.\nQuestion?><one>'],
    [either, '<Document A.|Question?|><one>'],
    [parts, '<Document A.|Question?|><one|>'],
  ])('is joined by newlines, unless the template joins it: %s', (template, rendered) => {
    const chat = [
      { role: 'user', content: two },
      { role: 'user', content: 'one' },
    ];
    expect(make(template).fill(chat)).toBe(rendered);
  });

  it('of a tool is a text also where other messages are lists', () => {
    expect(make(either).fill([{ role: 'tool', content: two }])).toBe('<Document A.\nQuestion?>');
  });

  it('may be empty, and an empty system prompt stays', () => {
    const template = '{% if messages[0].content != false %}[{{ messages[0].content }}]{% endif %}';
    expect(make(template).fill([{ role: 'system', content: '' }])).toBe('[]');
  });
});

describe('the arguments of a past call', () => {
  it.each([
    ['{"id":2512292042121000001}', 'f({"id": 2512292042121000001})'],
    ['{"x":1.0,"y":1e999,"z":-0.0}', 'f({"x": 1.0, "y": 1e999, "z": -0.0})'],
    ['{"b":1,"10":"x","2":"y"}', 'f({"b": 1, "10": "x", "2": "y"})'],
    ['{"a":{"c":[1e5,{"2":1,"1":2}]}}', 'f({"a": {"c": [1e5, {"2": 1, "1": 2}]}})'],
  ])('are rendered as the model wrote them: %s', (text, rendered) => {
    expect(make(calls).fill([called(text)])).toBe(rendered);
  });

  it('keep the text of a number where a template prints it alone', () => {
    expect(make(eachValue).fill([called('{"10":1.50,"2":1e999,"a":9007199254740993}')])).toBe(
      '10=1.50;2=1e999;a=9007199254740993;',
    );
  });

  it.each(['', ' ', null])('are an empty object when there are none: %j', (given) => {
    expect(make(calls).fill([called(given)])).toBe('f({})');
  });

  it.each(['"x"', '7', '[1]', '{"a":1', 'null', '{"a":1} x'])(
    'end in an error that names them otherwise: %s',
    (text) => {
      expect(() => make(calls).fill([{ role: 'user', content: 'q' }, called(text)])).toThrow(
        expect.objectContaining({
          code: 'samples-invalid',
          message: expect.stringContaining(
            `messages[1].tool_calls[0].function.arguments is ${JSON.stringify(text)}, which a chat template cannot show`,
          ),
        }),
      );
    },
  );

  it.each([7, null, {}, { type: 'custom', custom: { name: 'f' } }, { function: { arguments: '{}' } }])(
    'belong to a function, and end in an error otherwise: %j',
    (call) => {
      const message = { role: 'assistant', content: null, tool_calls: [call] };
      expect(() => make(calls).fill([message])).toThrow(
        expect.objectContaining({
          code: 'samples-invalid',
          message: expect.stringContaining(`messages[0].tool_calls[0] is ${JSON.stringify(call)}`),
        }),
      );
    },
  );

  it('may be an object already', () => {
    expect(make(calls).fill([called({ a: 1 })])).toBe('f({"a": 1})');
  });
});

describe('other fields of a message', () => {
  it('are left out when they are null, and an empty list of calls is none', () => {
    const template = '{% for m in messages %}{{ m.refusal is defined }}{{ m.tool_calls is defined }}{% endfor %}';
    expect(make(template).fill([{ role: 'assistant', content: 'a', refusal: null, tool_calls: [] }])).toBe(
      'FalseFalse',
    );
  });

  it('give what a model thought under each name that templates read', () => {
    const template = '{% for m in messages %}{{ m.reasoning_content }}{{ m.thinking }}{% endfor %}';
    expect(make(template).fill([{ role: 'assistant', content: 'a', reasoning: 'x' }])).toBe('xx');
  });
});
