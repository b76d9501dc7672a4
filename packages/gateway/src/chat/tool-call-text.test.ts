import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ToolCallText } from './tool-call-text.ts';

/** Reads pieces and joins what they gave. */
function read(pieces: readonly string[]): { content: string; calls: { name: string; arguments: string }[] } {
  const reader = new ToolCallText();
  const deltas = [...pieces.map((piece) => reader.push(piece)), reader.end()];
  return {
    content: deltas.map((delta) => delta.content ?? '').join(''),
    calls: deltas.flatMap((delta) => delta.tool_calls ?? []).map((call) => call.function),
  };
}

describe('ToolCallText', () => {
  it('reads calls and leaves the text before them', () => {
    const text =
      'Let me look.\n<tool_call>\n{"name": "sql", "arguments": {"q": "a < b"}}\n</tool_call>\n<tool_call>{"name":"done"}</tool_call>\n';
    expect(read([text])).toEqual({
      content: 'Let me look.',
      calls: [
        { name: 'sql', arguments: '{"q":"a < b"}' },
        { name: 'done', arguments: '{}' },
      ],
    });
  });

  it('keeps as text what is no call', () => {
    for (const text of [
      'a <b> <tool',
      '<tool_call>{"name": 1}</tool_call>',
      '<tool_call>{"name": "x"',
      ' \n',
      'x < y ',
    ]) {
      expect(read([text])).toEqual({ content: text, calls: [] });
    }
  });

  it('numbers calls and gives each an id', () => {
    const reader = new ToolCallText();
    const one = '<tool_call>{"name":"f"}</tool_call>';
    const calls = [reader.push(one), reader.push(one)].flatMap((delta) => delta.tool_calls ?? []);
    expect(calls.map((call) => call.index)).toEqual([0, 1]);
    expect(new Set(calls.map((call) => call.id)).size).toBe(2);
    expect(reader.calls).toBe(2);
  });

  it('reads the same however the text is cut', () => {
    const part = fc.constantFrom(
      '<tool_call>',
      '</tool_call>',
      '{"name":"f","arguments":{"a":1}}',
      '<',
      'tool_',
      ' ',
      '\n',
      'word',
      '>',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(7), { maxLength: 40 }), (parts, sizes) => {
        const text = parts.join('');
        const pieces: string[] = [];
        let at = 0;
        for (const size of sizes) pieces.push(text.slice(at, (at += size)));
        expect(read([...pieces, text.slice(at)])).toEqual(read([text]));
      }),
    );
  });
});
