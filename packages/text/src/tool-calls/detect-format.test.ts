import { readFileSync } from 'node:fs';

import type { JsonValue } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';

import { readPieces } from '../../test/read-pieces.ts';
import { ChatTemplate } from '../chat-template.ts';
import { createToolCallReader } from './tool-call-reader.ts';

const templates = new URL('../../test/__fixtures__/templates/', import.meta.url);
const create = (template: string, name: string): ChatTemplate =>
  new ChatTemplate({ template, name: `${name}.jinja` }, { bos_token: '<s>' });
const load = (name: string): ChatTemplate => create(readFileSync(new URL(`${name}.jinja`, templates), 'utf8'), name);
/** Makes a template that writes a call as the given Jinja does, of `name` and `arguments`. */
const writing = (
  call: string,
  generationPrompt = '<|im_start|>assistant\n',
  answer = '<|im_start|>assistant\n',
): string =>
  `{%- for message in messages -%}
    {%- if message.role == 'assistant' -%}{{- ${JSON.stringify(answer)} -}}{%- else -%}{{- '<|im_start|>' + message.role + '\n' -}}{%- endif -%}
    {%- if loop.first and tools -%}{{- tools | tojson + '\n' -}}{%- endif -%}
    {{- message.content -}}
    {%- for call in message.tool_calls or [] -%}
      {%- set name = call.function.name -%}
      {%- set arguments = call.function.arguments -%}
      ${call}
    {%- endfor -%}
    {{- '<|im_end|>\n' -}}
  {%- endfor -%}
  {%- if add_generation_prompt -%}{{- ${JSON.stringify(generationPrompt)} -}}{%- endif -%}`;
const xml = `{{- '<tool_call>\n<function=' + name + '>\n' -}}
  {%- for key, value in arguments | items -%}{{- '<parameter=' + key + '>\n' + value + '\n</parameter>\n' -}}{%- endfor -%}
  {{- '</function>\n</tool_call>' -}}`;
const json = 'arguments | tojson';
const messages = [{ role: 'user', content: 'hi' }];
const tools = [
  { type: 'function', function: { name: 'f', description: 'F.', parameters: { type: 'object', properties: {} } } },
];

describe('the tool-call format of a template', () => {
  it.each([
    ['qwen2.5', 'hermes'],
    ['qwen3', 'hermes'],
    ['hermes-2-pro', 'hermes'],
    ['llama3.1', 'llama-json'],
    ['llama3.2', 'llama-json'],
    ['function-tag', 'function-tag'],
    ['function-xml', 'qwen-xml'],
  ])('is the one in which it writes a call itself: %s, %s', (name, format) => {
    const template = load(name);
    expect(template.toolCallFormat).toBe(format);
    expect(template.render(messages, tools)).toContain('"name": "f"');
  });

  it.each([
    ['qwen-xml', xml],
    [
      'glm',
      `{{- '\n<tool_call>' + name + '\n<arg_key>key</arg_key>\n<arg_value>' + arguments.key + '</arg_value>\n</tool_call>' -}}`,
    ],
    [
      'gemma',
      `{{- '<|tool_call>call:' + name + '{key:<|"|>' + arguments.key + '<|"|>}<tool_call|><|tool_response>' -}}`,
    ],
    [
      'function-gemma',
      `{{- '<start_function_call>call:' + name + '{key:<escape>' + arguments.key + '<escape>}<end_function_call>' -}}`,
    ],
    ['lfm2', `{{- '<|tool_call_start|>[' + name + "(key='" + arguments.key + "')]<|tool_call_end|>" -}}`],
    [
      'deepseek-v3',
      `{{- '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>' + name + '\n\`\`\`json\n' + ${json} + '\n\`\`\`<｜tool▁call▁end｜><｜tool▁calls▁end｜>' -}}`,
    ],
    [
      'deepseek-v31',
      `{{- '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + name + '<｜tool▁sep｜>' + ${json} + '<｜tool▁call▁end｜><｜tool▁calls▁end｜>' -}}`,
    ],
    [
      'kimi-k2',
      `{{- '<|tool_calls_section_begin|><|tool_call_begin|>functions.' + name + ':0<|tool_call_argument_begin|>' + ${json} + '<|tool_call_end|><|tool_calls_section_end|>' -}}`,
    ],
    ['mistral', `{{- '[TOOL_CALLS]' + name + '[ARGS]' + ${json} -}}`],
    [
      'mistral-list',
      `{{- '[TOOL_CALLS] [{"name": "' + name + '", "arguments": ' + ${json} + ', "id": "abcdefghi"}]' -}}`,
    ],
    ['phi4-mini', `{{- 'functools[{"name": "' + name + '", "arguments": ' + ${json} + '}]' -}}`],
    ['toolcall-list', `{{- '<TOOLCALL>[{"name": "' + name + '", "arguments": ' + ${json} + '}]</TOOLCALL>' -}}`],
  ])('is found for %s', (format, call) => {
    expect(create(writing(call), format).toolCallFormat).toBe(format);
  });

  it.each([
    ['harmony', `{{- ' to=functions.' + name + '<|channel|>commentary json<|message|>' + ${json} + '<|call|>' -}}`],
    [
      'muse',
      `{{- ' to=' + name + '<|message|><atem:invoke name="' + name + '"><atem:parameter name="key">' + arguments.key + '</atem:parameter></atem:invoke><|eot|>' -}}`,
    ],
  ])('is found for %s, whose answers begin within a header', (format, call) => {
    expect(create(writing(call, '<|start|>assistant', '<|start|>assistant'), format).toolCallFormat).toBe(format);
  });

  it.each([
    ['<|im_start|>assistant\n<think>\n', '<|im_start|>assistant\n<think>\n\n</think>\n\n'],
    ['<|im_start|>assistant\n<think>\n', '<|im_start|>assistant\n<think></think>\n'],
    ['<|im_start|>assistant\n<think>\n\n</think>\n\n', '<|im_start|>assistant\n<think>\n\n</think>\n\n'],
  ])('is found when the prompt ends with %j and the history has %j', (prompt, history) => {
    expect(create(writing(xml, prompt, history), 'thinking').toolCallFormat).toBe('qwen-xml');
  });

  it.each([
    [
      'odd',
      `{{- '[CALL ' + name + ' WITH ' + ${json} + ']' -}}`,
      /odd\.jinja cannot take them: it writes a call as "\[CALL probe WITH .*", a format that is not known here/,
    ],
    ['dropping', '', /dropping\.jinja cannot take them: it leaves the tool calls of earlier turns out of the prompt/],
    [
      'raising',
      `{{- raise_exception('one call only') -}}`,
      /raising\.jinja cannot take them: it does not render a chat with a tool call: .*one call only/,
    ],
  ])('is not guessed: %s refuses tools by the reason, and takes chats without', (name, call, message) => {
    const template = create(writing(call), name);
    expect(template.toolCallFormat).toBeUndefined();
    expect(() => template.render(messages, tools)).toThrow(message);
    expect(() => template.render(messages, tools)).toThrow(expect.objectContaining({ code: 'option-unsupported' }));
    expect(template.render(messages)).toContain('hi');
  });

  it('is none for a template without tools', () => {
    const template = load('chatml');
    expect(template.toolCallFormat).toBeUndefined();
    expect(() => template.render(messages, tools)).toThrow(/chatml.jinja cannot take them: it never mentions `tools`/);
  });

  it('is none for a template that does not show the tools of a request', () => {
    const silent = create('{%- set ns = tools -%}{%- for m in messages -%}{{- m.content -}}{%- endfor -%}', 'silent');
    expect(silent.toolCallFormat).toBeUndefined();
    expect(() => silent.render(messages, tools)).toThrow(
      /silent\.jinja cannot take them: it leaves them out of the prompt/,
    );
  });
});

describe('a template that teaches calls and leaves them out of the history', () => {
  const teaching = (instructions: string, content = 'message.content'): string =>
    `{%- if tools -%}{{- ${JSON.stringify(instructions)} + (tools | tojson) -}}{%- endif -%}
    {%- for message in messages -%}{{- '<|im_start|>' + message.role + '\n' + ${content} + '<|im_end|>\n' -}}{%- endfor -%}
    {%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}`;
  const xmlTools =
    'Return a json object within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>\n';
  const list = 'List of tools: <|tool_list_start|>';
  const history = (content: JsonValue, text: JsonValue) => [
    { role: 'user', content: 'hi' },
    {
      role: 'assistant',
      content,
      tool_calls: [
        { id: 'a', type: 'function', function: { name: 'f', arguments: text } },
        { id: 'b', type: 'function', function: { name: 'g', arguments: '' } },
      ],
    },
    { role: 'tool', tool_call_id: 'a', content: '1' },
  ];
  const text = '{"id": 2512292042121000001, "q": "it\'s \\"so\\"", "x": 1.0, "ok": true}';

  it.each([
    [
      'hermes',
      xmlTools,
      `I look.\n<tool_call>\n{"name": "f", "arguments": ${text}}\n</tool_call>\n<tool_call>\n{"name": "g", "arguments": {}}\n</tool_call>`,
    ],
    [
      'lfm2',
      list,
      'I look.<|tool_call_start|>[f(id=2512292042121000001, q="it\'s \\"so\\"", x=1.0, ok=true), g()]<|tool_call_end|>',
    ],
  ] as const)('has them in the content, as a model of format %s writes them', (format, instructions, content) => {
    const template = create(teaching(instructions), format);
    expect(template.toolCallFormat).toBe(format);
    const turns = `<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n${content}<|im_end|>\n<|im_start|>tool\n1<|im_end|>\n`;
    expect(template.render(history('I look.', text), tools)).toContain(turns);
    const parts = template.render(history([{ type: 'text', text: 'I look.' }], text), tools);
    expect(parts).toContain(content.slice('I look.'.length).trimStart());
    expect(template.render(history('I look.', text))).toBe(`${turns}<|im_start|>assistant\n`);
    const { calls } = readPieces(createToolCallReader(format), [content]);
    expect(calls).toEqual([
      { name: 'f', arguments: text },
      { name: 'g', arguments: '{}' },
    ]);
  });

  it('gets its tools by the name that SmolLM3 has for them', () => {
    const template = create(teaching(xmlTools).replaceAll('tools', 'xml_tools'), 'smollm3');
    expect(template.toolCallFormat).toBe('hermes');
    expect(template.render(messages, tools)).toContain('"name": "f"');
  });

  it('refuses arguments that are no object by their place', () => {
    const template = create(teaching(list), 'list');
    expect(() => template.render(history('', '[1]'), tools)).toThrow(
      expect.objectContaining({
        code: 'samples-invalid',
        message: expect.stringContaining('messages[1].tool_calls[0].function is {"name":"f","arguments":"[1]"}'),
      }),
    );
  });

  it('has no format when it does not show a content as it is', () => {
    expect(
      create(teaching(list, "(message.content | replace('<|', '(('))"), 'changing').toolCallFormat,
    ).toBeUndefined();
  });
});
