import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChatRequest } from '../dialects/chat/chat-request.ts';
import { parseCompletionRequest } from '../dialects/completions/completion-request.ts';
import { findGrammar, moveToPrompt } from './structured-output.ts';

const messages = [{ role: 'user', content: 'How many?' }];
const tools = [{ type: 'function', function: { name: 'look' } }];
const schema = { type: 'object', properties: { count: { type: 'number' } } };
const format = { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } };

function moved(fields: object): ReturnType<typeof moveToPrompt> {
  return moveToPrompt(parseChatRequest({ model: 'm', messages, ...fields }));
}

/** Returns the instruction that a request without a system message gets. */
function instructionFor(fields: object): unknown {
  const [first] = moved(fields).request.body['messages'] as readonly { role: string; content: unknown }[];
  return first?.role === 'system' ? first.content : undefined;
}

describe('structured output in the prompt', () => {
  it.each<[string, object, string]>([
    [
      'a schema',
      { response_format: format },
      `Answer with one JSON value that is valid under this JSON Schema and nothing else: no explanation, no Markdown.\n${JSON.stringify(schema)}`,
    ],
    [
      'a schema with a description',
      { response_format: { ...format, json_schema: { ...format.json_schema, description: 'The count.' } } },
      `Answer with one JSON value that is valid under this JSON Schema and nothing else: no explanation, no Markdown.\nThe count.\n${JSON.stringify(schema)}`,
    ],
    [
      'a schema beside tools',
      { response_format: format, tools },
      `When you call no function, answer with one JSON value that is valid under this JSON Schema and nothing else: no explanation, no Markdown.\n${JSON.stringify(schema)}`,
    ],
    [
      'an object',
      { response_format: { type: 'json_object' } },
      'Answer with one JSON object and nothing else: no explanation, no Markdown.',
    ],
    [
      'a function',
      { tools, tool_choice: { type: 'function', function: { name: 'look' } } },
      'Answer by calling the function "look" and with nothing else.',
    ],
    [
      'any function',
      { tools, tool_choice: 'required' },
      'Answer by calling at least one of the functions and with nothing else.',
    ],
    ['one call at a time', { tools, parallel_tool_calls: false }, 'Call at most one function at a time.'],
    [
      'a choice of vLLM',
      { structured_outputs: { choice: ['yes', 'no'] } },
      'Answer with one of these texts and nothing else:\n["yes","no"]',
    ],
    [
      'a regular expression of an older vLLM',
      { guided_regex: '[0-9]+' },
      'Answer with a text that matches this regular expression and nothing else:\n[0-9]+',
    ],
    [
      'a schema of an older vLLM, as text',
      { guided_json: JSON.stringify(schema) },
      `Answer with one JSON value that is valid under this JSON Schema and nothing else: no explanation, no Markdown.\n${JSON.stringify(schema)}`,
    ],
    [
      'a grammar',
      { structured_outputs: { grammar: 'root ::= "a"', disable_any_whitespace: true } },
      'Answer with a text of this grammar and nothing else:\nroot ::= "a"',
    ],
  ])('has words for %s, and drops the field', (_what, fields, words) => {
    expect(instructionFor(fields)).toBe(words);
    expect(findGrammar(moved(fields).request.body)).toBeUndefined();
  });

  it('drops strict from tools, of which newer versions of vLLM make a grammar, and leaves the prompt alone', () => {
    const strict = [{ type: 'function', function: { name: 'look', strict: true, parameters: schema } }, ...tools];
    const { request, rules } = moved({ tools: strict });
    expect(request.body).toEqual({
      model: 'm',
      messages,
      tools: [{ type: 'function', function: { name: 'look', parameters: schema } }, ...tools],
    });
    expect(rules).toEqual(['tools.strict:prompt']);
    expect(findGrammar({ tools: strict })).toBe('tools.strict');
    expect(findGrammar({ tools: strict, tool_choice: 'none' })).toBeUndefined();
  });

  it('has the words of two fields one after the other', () => {
    expect(instructionFor({ tools, tool_choice: 'required', response_format: { type: 'json_object' } })).toBe(
      'When you call no function, answer with one JSON object and nothing else: no explanation, no Markdown.\n\nAnswer by calling at least one of the functions and with nothing else.',
    );
  });

  it.each<[string, object, string]>([
    ['a structural tag', { structured_outputs: { structural_tag: '{}' } }, 'structured_outputs'],
    ['two guides at once', { structured_outputs: { regex: 'a', choice: ['a'] } }, 'structured_outputs'],
    ['a format without a schema', { response_format: { type: 'json_schema' } }, 'response_format'],
    ['allowed tools', { tools, tool_choice: { type: 'allowed_tools', allowed_tools: {} } }, 'tool_choice'],
    ['a schema that is none', { guided_json: '{"type"' }, 'guided_json'],
  ])('leaves a field that has no words: %s', (_what, fields, field) => {
    const { request, rules } = moved(fields);
    expect(rules).toEqual([]);
    expect(request.body).toEqual({ model: 'm', messages, ...fields });
    expect(findGrammar(request.body)).toBe(field);
  });

  it.each([
    {},
    { response_format: { type: 'text' } },
    { response_format: null },
    { tool_choice: 'auto' },
    { tool_choice: 'none' },
    { guided_json: null },
    { parallel_tool_calls: false },
    { parallel_tool_calls: true, tools },
    { structured_outputs: {} },
  ])('changes nothing where nothing is asked for: %j', (fields) => {
    const { request, rules } = moved(fields);
    expect([request.body, rules]).toEqual([{ model: 'm', messages, ...fields }, []]);
    expect(findGrammar(request.body)).toBeUndefined();
  });

  it('is at the end of a system message that comes first, whatever its form', () => {
    const of = (first: object): unknown =>
      (
        moved({ messages: [first, ...messages], response_format: { type: 'json_object' } }).request.body[
          'messages'
        ] as unknown[]
      )[0];
    const words = 'Answer with one JSON object and nothing else: no explanation, no Markdown.';
    expect(of({ role: 'system', content: 'Count.' })).toEqual({ role: 'system', content: `Count.\n\n${words}` });
    expect(of({ role: 'developer', content: '' })).toEqual({ role: 'developer', content: words });
    expect(of({ role: 'system', content: [{ type: 'text', text: 'Count.' }] })).toEqual({
      role: 'system',
      content: [
        { type: 'text', text: 'Count.' },
        { type: 'text', text: words },
      ],
    });
  });

  it.each([
    ['the schema', { response_format: format }, `Use this: ${JSON.stringify(schema)}`],
    ['the schema, indented', { response_format: format }, JSON.stringify(schema, undefined, 2)],
    ['JSON', { response_format: { type: 'json_object' } }, 'Reply in json.'],
  ])('is left out where the prompt has %s already', (_what, fields, content) => {
    const { request, rules } = moved({ ...fields, messages: [{ role: 'user', content }] });
    expect(request.body['messages']).toEqual([{ role: 'user', content }]);
    expect(rules).toEqual(['response_format:prompt']);
  });

  it('extends every later prompt of a conversation alike, so that one prompt stays the beginning of the next', () => {
    const text = fc.constantFrom('How many?', 'In JSON.', '{"json":1}', JSON.stringify(schema));
    const system = fc.option(fc.record({ role: fc.constant('system'), content: text }), { nil: undefined });
    const turn = fc.tuple(text, text).map(([said, told]) => [
      { role: 'assistant', content: said },
      { role: 'tool', content: told },
    ]);
    const formats = fc.constantFrom<object>({ type: 'json_object' }, format);
    fc.assert(
      fc.property(system, text, fc.array(turn, { maxLength: 4 }), formats, (first, asked, turns, response_format) => {
        const prompts = Array.from({ length: turns.length + 1 }, (_, length) => {
          const opening = [...(first === undefined ? [] : [first]), { role: 'user', content: asked }];
          const given = [...opening, ...turns.slice(0, length).flat()];
          return moved({ messages: given, response_format }).request.body['messages'] as readonly unknown[];
        });
        for (const prompt of prompts) expect(prompts.at(-1)!.slice(0, prompt.length)).toEqual(prompt);
      }),
    );
  });

  it('is not for a text completion, which has no place for an instruction', () => {
    const request = parseCompletionRequest({ model: 'm', prompt: 'one, two,', guided_regex: '[a-z]+' });
    expect(moveToPrompt(request)).toEqual({ request, rules: [] });
    expect(findGrammar(request.body)).toBe('guided_regex');
  });
});
