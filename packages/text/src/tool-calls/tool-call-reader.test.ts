import type { ToolCallFormat } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createToolCallReader } from './tool-call-reader.ts';
import type { ReadText } from './tool-call.ts';

/** Reads pieces and joins what they gave. */
function read(format: ToolCallFormat, pieces: readonly string[]): ReadText {
  const reader = createToolCallReader(format);
  const parts = [...pieces.map((piece) => reader.push(piece)), reader.end()];
  return { content: parts.map((part) => part.content).join(''), calls: parts.flatMap((part) => part.calls) };
}

describe('hermes calls', () => {
  it('are read among text, which keeps its own words', () => {
    const text =
      'Let me look.\n<tool_call>\n{"name": "sql", "arguments": {"q": "a < b"}}\n</tool_call>\n<tool_call>{"name":"done"}</tool_call>\n';
    expect(read('hermes', [text])).toEqual({
      content: 'Let me look.',
      calls: [
        { name: 'sql', arguments: '{"q":"a < b"}' },
        { name: 'done', arguments: '{}' },
      ],
    });
  });

  it.each(['a <b> <tool', '<tool_call>{"name": 1}</tool_call>', '<tool_call>{"name": "x"', ' \n', 'x < y '])(
    'leave %j text, which is none',
    (text) => {
      expect(read('hermes', [text])).toEqual({ content: text, calls: [] });
    },
  );
});

describe('function-tag calls', () => {
  it('are read among text', () => {
    expect(read('function-tag', ['I look.<function=sql>{"q": "a"}</function><function=done>{}</function>'])).toEqual({
      content: 'I look.',
      calls: [
        { name: 'sql', arguments: '{"q":"a"}' },
        { name: 'done', arguments: '{}' },
      ],
    });
  });

  it.each([
    '<function=sql>',
    '<function=sql>{"q"</function>',
    '<function=>{}</function>',
    '<function=sql>[1]</function>',
  ])('leave %j text, which is none', (text) => {
    expect(read('function-tag', [text])).toEqual({ content: text, calls: [] });
  });
});

describe('llama-json calls', () => {
  it.each([
    '{"name": "sql", "parameters": {"q": "a"}}',
    '\n{"name": "sql", "parameters": {"q": "a"}} \n',
    '<|python_tag|>{"name": "sql", "parameters": {"q": "a"}}',
  ])('are a whole answer: %j', (text) => {
    expect(read('llama-json', [text])).toEqual({ content: '', calls: [{ name: 'sql', arguments: '{"q":"a"}' }] });
  });

  it.each([
    '',
    ' ',
    'Use {"name": "sql", "parameters": {}}',
    '{"name": "sql", "parameters": {}} is what I would call',
    '{"name": "Ada", "age": 36}',
    '{"name": "sql", "parameters": "q"}',
    '{"name": "sql", "parameters": {',
    '<|python_tag|>sql.call(q="a")',
    '<|pyth',
  ])('leave %j text, which is none', (text) => {
    expect(read('llama-json', [text])).toEqual({ content: text, calls: [] });
  });

  it('do not hold text back that cannot be one', () => {
    const reader = createToolCallReader('llama-json');
    expect([' ', 'I', ' {'].map((piece) => reader.push(piece).content)).toEqual(['', ' I', ' {']);
  });
});

it.each<[ToolCallFormat, readonly string[]]>([
  ['hermes', ['<tool_call>', '</tool_call>', '{"name":"f","arguments":{"a":1}}', '{"name":', 'tool_']],
  ['function-tag', ['<function=f>', '</function>', '{"a":1}', '<function=', 'func']],
  ['llama-json', ['<|python_tag|>', '{"name":"f","parameters":{"a":1}}', '{"name":"f",', '"parameters":{}}', '|>']],
])('%s answers read the same however the text is cut, and lose none of it', (format, marks) => {
  const part = fc.constantFrom(...marks, '<', ' ', '\n', 'word', '>');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(7), { maxLength: 40 }), (parts, sizes) => {
      const text = parts.join('');
      const pieces: string[] = [];
      let at = 0;
      for (const size of sizes) pieces.push(text.slice(at, (at += size)));
      const whole = read(format, [text]);
      expect(read(format, [...pieces, text.slice(at)])).toEqual(whole);
      if (whole.calls.length === 0) expect(whole.content).toBe(text);
    }),
    { numRuns: 500 },
  );
});
