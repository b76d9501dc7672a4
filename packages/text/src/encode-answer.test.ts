import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { tinyText } from '../test/tiny-text.ts';
import { ChatTemplate } from './chat-template.ts';
import { encodeAnswer } from './encode-answer.ts';
import { Tokenizer, type TokenizerJson } from './tokenizer.ts';

const messages = [{ role: 'user', content: 'How many students?' }];
const answer = { role: 'assistant', content: 'There are three.' };

const read = (name: string): string => readFileSync(new URL(`../test/__fixtures__/${name}`, import.meta.url), 'utf8');
const { configs } = JSON.parse(read('chats.json')) as { readonly configs: Readonly<Record<string, TokenizerJson>> };

/** The text side of a model with a real tokenizer and template. */
function realText(name: 'qwen' | 'llama', template: string, endToken: string): Parameters<typeof encodeAnswer>[0] {
  const config = configs[name]!;
  const tokenizer = new Tokenizer(JSON.parse(read(`${name}-tokenizer.json`)) as TokenizerJson, config, name);
  const chatTemplate = new ChatTemplate({ template: read(`templates/${template}.jinja`), name: template }, config);
  return { directory: name, tokenizer, chatTemplate, eosTokenIds: [tokenizer.idOf(endToken)!] };
}

describe('encodeAnswer', () => {
  it('gives the prompt of a chat engine, and the answer with its end token', () => {
    const text = tinyText();
    const { promptIds, responseIds } = encodeAnswer(text, { messages, answer });
    expect([...promptIds]).toEqual([...text.tokenizer.encode('<|user|>How many students?<|end|><|assistant|>', false)]);
    expect([...responseIds]).toEqual([...text.tokenizer.encode('There are three.<|end|>', false)]);
  });

  it.each([
    ['qwen', 'qwen2.5', '<|im_end|>'],
    ['qwen', 'qwen3', '<|im_end|>'],
    ['llama', 'llama3.1', '<|eot_id|>'],
  ] as const)(
    'writes text and tool calls as the template of %s %s does, and nothing behind the end',
    (name, template, end) => {
      const text = realText(name, template, end);
      const tools = [
        {
          type: 'function',
          function: {
            name: 'add',
            description: 'adds',
            parameters: { type: 'object', properties: { a: { type: 'integer' } } },
          },
        },
      ];
      const call = { id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a": 1}' } };
      const spoken = encodeAnswer(text, { messages, answer });
      expect(text.tokenizer.decode(spoken.responseIds)).toContain('There are three.');
      expect(spoken.responseIds.at(-1)).toBe(text.eosTokenIds[0]);
      const called = encodeAnswer(text, {
        messages,
        tools,
        answer: { role: 'assistant', content: null, tool_calls: [call] },
      });
      expect(text.tokenizer.decode(called.responseIds)).toMatch(/"name": "add"/);
      expect(called.responseIds.indexOf(text.eosTokenIds[0]!)).toBe(called.responseIds.length - 1);
    },
  );

  it('adds the end token where the template writes none', () => {
    const template = '{% for message in messages %}{{ message.content }}\n{% endfor %}';
    const text = { ...tinyText(), chatTemplate: new ChatTemplate({ template, name: 'bare' }, {}) };
    expect(encodeAnswer(text, { messages, answer }).responseIds.at(-1)).toBe(text.eosTokenIds[0]);
  });

  it('refuses what it would have to guess', () => {
    const text = tinyText();
    const refused = (call: Parameters<typeof encodeAnswer>[1], part = text): unknown => {
      try {
        return encodeAnswer(part, call);
      } catch (error) {
        return error;
      }
    };
    expect(refused({ messages, answer: { role: 'user', content: 'no' } })).toMatchObject({
      message: expect.stringContaining('its role is "user"'),
    });
    expect(refused({ messages, answer: { role: 'assistant', content: '' } })).toMatchObject({
      message: expect.stringContaining('it is empty'),
    });
    expect(refused({ messages, answer: { role: 'assistant', content: 'a<|end|>b' } })).toMatchObject({
      message: expect.stringContaining('the text of an end token'),
    });
    const hidesThoughts =
      '{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|><think>{% endif %}';
    const thinking = { ...text, chatTemplate: new ChatTemplate({ template: hidesThoughts, name: 'thinking' }, {}) };
    expect(refused({ messages, answer }, thinking)).toMatchObject({
      code: 'samples-invalid',
      message: expect.stringContaining('drops what a model thought'),
    });
    expect(refused({ messages, answer }, { ...text, chatTemplate: undefined })).toMatchObject({
      code: 'option-unsupported',
    });
  });
});
