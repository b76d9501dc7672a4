import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sourceOf, stringifyWithSources } from '../../http/json-source.ts';
import type { JsonObject } from '../../http/read-body.ts';
import { keepInputTexts } from './input-texts.ts';
import { argumentsOf, inputOf } from './tool-input.ts';

const inputs = fc.dictionary(fc.string(), fc.jsonValue());
const wide = (value: unknown): string => JSON.stringify(value, null, 1);

describe('the arguments of a tool call', () => {
  it('come back as they were written, for any object', () => {
    fc.assert(
      fc.property(inputs, fc.boolean(), (input, isWide) => {
        const text = isWide ? wide(input) : JSON.stringify(input);
        const written = stringifyWithSources({ content: [{ input: inputOf(text) }, 'other'] });
        expect(JSON.parse(written)).toEqual({ content: [{ input: JSON.parse(text) as unknown }, 'other'] });
        expect(JSON.parse(argumentsOf(inputOf(text)))).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each(['{"a":1.0}', '{"id":2512292042121000001}', '{"b":1,"10":2}', '{"a":1e999}', '{"caf\\u00e9":1}'])(
    'keep what parsing would change: %s',
    (text) => {
      expect(argumentsOf(inputOf(text))).toBe(text);
      expect(stringifyWithSources({ input: inputOf(text), more: [inputOf(text)] })).toBe(
        `{"input":${text},"more":[${text}]}`,
      );
    },
  );

  it('are taken from the text of a request, wherever they stand in it', () => {
    const block = fc.oneof(
      inputs.map((input) => ({ type: 'tool_use', id: 'a', name: 'f', input })),
      fc.string().map((text) => ({ type: 'text', text: `"tool_use" ${text}` })),
    );
    const content = fc.oneof(fc.string(), fc.array(block));
    const messages = fc.array(content.map((given) => ({ content: given, role: 'assistant' })));
    fc.assert(
      fc.property(messages, fc.boolean(), (list, isWide) => {
        // A number that JavaScript does not hold is put into each input.
        const marked = JSON.stringify({ model: 'm', messages: list }, null, isWide ? 2 : 0).replaceAll(
          /"input":(\s*)\{(\s*\})?/gu,
          (_text, blanks: string, end: string | undefined) =>
            `"input":${blanks}{"": 9007199254740993${end === undefined ? ',' : '}'}`,
        );
        const body = JSON.parse(marked) as JsonObject;
        keepInputTexts(body, marked);
        const read = body['messages'] as { content: { input?: JsonObject }[] | string }[];
        for (const { content: blocks } of read)
          for (const { input } of typeof blocks === 'string' ? [] : blocks)
            if (input !== undefined) expect(sourceOf(input)).toContain('9007199254740993');
      }),
    );
  });

  it('are not kept twice when parsing changes nothing', () => {
    const text = '{"messages":[{"content":[{"type":"tool_use","input":{"a":1}}]}]}';
    expect(keepInputTexts(JSON.parse(text) as JsonObject, text)).toBe(0);
    const odd = text.replace('1}', '1.0}');
    expect(keepInputTexts(JSON.parse(odd) as JsonObject, odd)).toBe('{"a":1.0}'.length);
  });
});
