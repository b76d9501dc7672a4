import type { ToolCallFormat } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { readPieces } from '../../test/read-pieces.ts';
import { formats } from './formats.ts';
import { createToolCallReader, endsInThought, hasChannels, marksOf } from './tool-call-reader.ts';
import type { ReadText } from './tool-call.ts';

const read = (format: ToolCallFormat, pieces: readonly string[]): ReadText =>
  readPieces(createToolCallReader(format), pieces);
const every = Object.keys(formats) as ToolCallFormat[];

describe('text around calls', () => {
  it('keeps its own words, and loses the blanks next to calls', () => {
    const text =
      'Let me look.\n<tool_call>\n{"name": "sql", "arguments": {"q":"a < b"}}\n</tool_call>\n<tool_call>{"name":"done"}</tool_call>\n';
    expect(read('hermes', [text])).toEqual({
      content: 'Let me look.',
      thought: '',
      calls: [
        { name: 'sql', arguments: '{"q":"a < b"}' },
        { name: 'done', arguments: '{}' },
      ],
    });
  });

  it.each(['a <b> <tool', '<tool_call>{"name": 1}</tool_call>', '<tool_call>{"name": "x"', ' \n', 'x < y '])(
    'is everything that is no call: %j',
    (text) => expect(read('hermes', [text])).toEqual({ content: text, thought: '', calls: [] }),
  );

  it.each([
    '<function=sql>',
    '<function=sql>{"q"</function>',
    '<function=>{}</function>',
    '<function=sql>[1]</function>',
  ])('is a function tag without a name or an object too: %j', (text) =>
    expect(read('function-tag', [text])).toEqual({ content: text, thought: '', calls: [] }),
  );

  it('has a second opening mark in it only when no call follows', () => {
    const call = '{"name": "f", "arguments": {}}</tool_call>';
    expect(read('hermes', [`<tool_call>\n<tool_call>${call}`])).toMatchObject({ content: '', calls: [{ name: 'f' }] });
    expect(read('hermes', ['<tool_call>\n<tool_call>x</tool_call>']).content).toBe(
      '<tool_call>\n<tool_call>x</tool_call>',
    );
  });

  it('goes on behind a string that its line break shows to be broken', () => {
    const text = '<tool_call>{"name": "x\n</tool_call>\n<tool_call>{"name": "y"}</tool_call>';
    expect(read('hermes', [text])).toEqual({
      content: '<tool_call>{"name": "x\n</tool_call>',
      thought: '',
      calls: [{ name: 'y', arguments: '{}' }],
    });
  });
});

describe('a Llama answer', () => {
  it.each([
    '',
    ' ',
    'Use {"name": "sql", "parameters": {}}',
    '{"name": "Ada", "age": 36}',
    '{"name": "sql", "parameters": "q"}',
    '{"name": "sql", "parameters": {',
    '<|python_tag|>sql.call(q="a")',
    '<|pyth',
    '; {"name": "sql", "parameters": {}}',
  ])('without a call is text: %j', (text) => {
    expect(read('llama-json', [text])).toEqual({ content: text, thought: '', calls: [] });
  });

  it('is not held back when it cannot be a call', () => {
    const reader = createToolCallReader('llama-json');
    expect([' ', 'I', ' {'].map((piece) => reader.push(piece).content)).toEqual(['', ' I', ' {']);
  });
});

it('shows text as soon as it cannot be a mark', () => {
  const reader = createToolCallReader('gemma');
  expect(['a', ' <', '|', 't', 'ea', '<|channel>'].map((piece) => reader.push(piece).content)).toEqual([
    'a',
    '',
    '',
    '',
    ' <|tea',
    '',
  ]);
});

it('reads a long argument that comes token by token', () => {
  const reader = createToolCallReader('hermes');
  const long = '\\n'.repeat(100_000);
  reader.push('<tool_call>{"name": "f", "arguments": {"text": "');
  for (let at = 0; at < long.length; at += 2) reader.push(long.slice(at, at + 2));
  expect(reader.push('"}}</tool_call>').calls[0]?.arguments).toBe(`{"text": "${long}"}`);
});

it('shows a long answer that has no frame before it ends', () => {
  const reader = createToolCallReader('harmony');
  expect(reader.push('word '.repeat(100)).content).toBe('word '.repeat(100));
  expect(reader.push('and more').content).toBe('and more');
});

it.each([
  ['gemma', `<|tool_call>call:f{a:${'['.repeat(50_000)}<tool_call|>`],
  ['lfm2', `<|tool_call_start|>[f(a=${'['.repeat(50_000)}<|tool_call_end|>`],
  ['hermes', `<tool_call>{"name": "f", "arguments": ${'['.repeat(50_000)}</tool_call>`],
] as const)('leaves %s brackets that are too deep for a call as text', (format, text) => {
  expect(read(format, [text])).toEqual({ content: text, thought: '', calls: [] });
});

it('knows which answers begin within a thought, and which formats think in a channel', () => {
  expect(endsInThought('qwen-xml', '<|im_start|>assistant\n<think>\n')).toBe(true);
  expect(endsInThought('qwen-xml', '<|im_start|>assistant\n<think>\n\n</think>\n\n')).toBe(false);
  expect(endsInThought('gemma', '<|turn>model\n<|channel>thought\n')).toBe(true);
  expect(endsInThought('llama-json', '<think>\n')).toBe(false);
  expect(every.filter(hasChannels)).toEqual(['gemma', 'mistral', 'harmony', 'muse']);
});

const json = ['{"name":"f","arguments":{"a":1}}', '{"name":', '"', "'", '\\', '{', '}', '[', ']', 'call:f', 'f', ';'];
const tags = ['<parameter=a>', '</parameter>', '<arg_key>', '</arg_key>', '[f(a=1)]', 'to=f'];
const others = ['<', ' ', '\n', 'word', '>', 'thought\n'];

describe.each(every)('%s answers of any kind', (format) => {
  it('read the same however the text is cut', () => {
    const part = fc.constantFrom(...marksOf(format), ...json, ...tags, ...others);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 14 }), fc.array(fc.nat(7), { maxLength: 40 }), (parts, sizes) => {
        const text = parts.join('');
        const pieces: string[] = [];
        let at = 0;
        for (const size of sizes) pieces.push(text.slice(at, (at += size)));
        expect(read(format, [...pieces, text.slice(at)])).toEqual(read(format, [text]));
      }),
      { numRuns: 200 },
    );
  });

  const syntax = formats[format];
  if (syntax.reader === 'channels') return; // headers are no text
  const frames = syntax.reader === 'marked' ? [...(syntax.frame ?? []), ...(syntax.otherTokens ?? [])] : [];
  const channel =
    syntax.reader === 'marked' && syntax.thought?.place === 'channel' ? Object.values(syntax.thought) : [];

  it('are their own text when they hold no call', () => {
    const marks = marksOf(format).filter((mark) => !frames.includes(mark) && !channel.includes(mark));
    const part = fc.constantFrom(...marks, ...json, ...tags, ...others);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 14 }), (parts) => {
        const text = parts.join('');
        const reader = createToolCallReader(format, { thinkTags: 'content' });
        const { content, thought, calls } = readPieces(reader, [text]);
        if (calls.length === 0) expect({ content, thought }).toEqual({ content: text, thought: '' });
      }),
      { numRuns: 200 },
    );
  });
});
