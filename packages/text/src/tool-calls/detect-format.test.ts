import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { ChatTemplate } from '../chat-template.ts';

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
});
