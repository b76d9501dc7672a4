import { describe, expect, it } from 'vitest';

import { ChatTemplate, findChatTemplate } from './chat-template.ts';

const plain =
  '{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}';
const withTools =
  '{% if tools %}{% for tool in tools %}[{{ tool.function.name }}]{% endfor %}{% endif %}{% for message in messages %}{{ message.content }}{% for call in message.tool_calls %}({{ call.function.arguments.city }}){% endfor %}{% endfor %}';

describe('ChatTemplate', () => {
  it('renders up to the place where the answer begins', () => {
    const template = new ChatTemplate(plain, { bos_token: { content: '<s>' } });
    expect(template.render([{ role: 'user', content: 'hi' }])).toBe('<s><|user|>hi<|end|><|assistant|>');
  });

  it('joins text parts by newlines and reads absent content as empty', () => {
    const template = new ChatTemplate(plain, {});
    const parts = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ];
    expect(
      template.render([
        { role: 'user', content: parts },
        { role: 'assistant', content: null },
      ]),
    ).toBe('<|user|>a\nb<|end|><|assistant|><|end|><|assistant|>');
  });

  it('refuses anything but text, by message and type', () => {
    const template = new ChatTemplate(plain, {});
    expect(() => template.render([{ role: 'user', content: [{ type: 'image_url' }] }])).toThrow(
      /messages\[0\].content has a part of type "image_url"/,
    );
  });

  it('gives the template tools, and the arguments of calls as values', () => {
    const template = new ChatTemplate(withTools, {});
    const call = { id: '1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } };
    const tools = [{ type: 'function', function: { name: 'weather' } }];
    expect(template.render([{ role: 'assistant', content: 'ok', tool_calls: [call] }], tools)).toBe(
      '[weather]ok(Oslo)',
    );
  });

  it('refuses tools that the template would drop', () => {
    expect(() => new ChatTemplate(plain, {}).render([], [{ type: 'function' }])).toThrow(
      expect.objectContaining({ code: 'option-unsupported' }),
    );
  });

  it('names what a template refuses', () => {
    const template = new ChatTemplate("{{ raise_exception('roles must alternate') }}", {});
    expect(() => template.render([])).toThrow(/refused the messages: Error: roles must alternate/);
  });

  it('refuses a template that does not parse', () => {
    expect(() => new ChatTemplate('{% for %}', {})).toThrow(expect.objectContaining({ code: 'checkpoint-corrupt' }));
  });
});

describe('findChatTemplate', () => {
  it('prefers the file, then the text, then the default of a list', () => {
    const list = [
      { name: 'tool_use', template: 't' },
      { name: 'default', template: 'd' },
    ];
    expect(findChatTemplate('file', { chat_template: 'text' })).toBe('file');
    expect(findChatTemplate(undefined, { chat_template: 'text' })).toBe('text');
    expect(findChatTemplate(undefined, { chat_template: list })).toBe('d');
    expect(findChatTemplate(undefined, {})).toBeUndefined();
  });
});
