import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { ChatTemplate } from '../chat-template.ts';

const templates = new URL('../../test/__fixtures__/templates/', import.meta.url);
const load = (name: string): ChatTemplate =>
  new ChatTemplate(
    { template: readFileSync(new URL(`${name}.jinja`, templates), 'utf8'), name: `${name}.jinja` },
    { bos_token: '<s>' },
  );
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
  ])('is the one in which it writes a call itself: %s, %s', (name, format) => {
    const template = load(name);
    expect(template.toolCallFormat).toBe(format);
    expect(template.render(messages, tools)).toContain('"name": "f"');
  });

  it.each([
    ['function-xml', /function-xml.jinja cannot take them: it writes tool calls in a format that is not known/],
    ['chatml', /chatml.jinja cannot take them: it never mentions `tools`/],
  ])('is not guessed: %s refuses tools, and takes chats without', (name, message) => {
    const template = load(name);
    expect(template.toolCallFormat).toBeUndefined();
    expect(() => template.render(messages, tools)).toThrow(message);
    expect(() => template.render(messages, tools)).toThrow(expect.objectContaining({ code: 'option-unsupported' }));
    expect(template.render(messages)).toContain('hi');
  });
});
