import { describe, expect, it } from 'vitest';

import { ChatTemplate } from './chat-template.ts';
import { findChatTemplate, type ChatTemplateSource } from './template-source.ts';
import type { TokenizerJson } from './tokenizer.ts';

const named = (template: string, toolTemplate?: string): ChatTemplateSource => ({
  template,
  toolTemplate,
  name: 'model/chat_template.jinja',
});

const plain =
  '{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}';
const withTools =
  '{% if tools %}{% for tool in tools %}[{{ tool.function.name }}]{% endfor %}{% endif %}{% for message in messages %}{{ message.content }}{% for call in message.tool_calls or [] %}<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}{% endfor %}';

describe('ChatTemplate', () => {
  it('renders up to the place where the answer begins', () => {
    const template = new ChatTemplate(named(plain), { bos_token: { content: '<s>' } });
    expect(template.render([{ role: 'user', content: 'hi' }])).toBe('<s><|user|>hi<|end|><|assistant|>');
  });

  it('joins text parts by newlines and reads absent content as empty', () => {
    const template = new ChatTemplate(named(plain), {});
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
    const template = new ChatTemplate(named(plain), {});
    expect(() => template.render([{ role: 'user', content: [{ type: 'image_url' }] }])).toThrow(
      /messages\[0\].content has a part of type "image_url"/,
    );
  });

  it('gives the template tools, and the arguments of calls as values', () => {
    const template = new ChatTemplate(named(withTools), {});
    const call = { id: '1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } };
    const tools = [{ type: 'function', function: { name: 'weather' } }];
    expect(template.render([{ role: 'assistant', content: 'ok', tool_calls: [call] }], tools)).toBe(
      '[weather]ok<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>',
    );
  });

  it('refuses tools that the template would drop', () => {
    expect(() => new ChatTemplate(named(plain), {}).render([], [{ type: 'function' }])).toThrow(
      expect.objectContaining({ code: 'option-unsupported' }),
    );
  });

  it('names what a template refuses', () => {
    const template = new ChatTemplate(named("{{ raise_exception('roles must alternate') }}"), {});
    expect(() => template.render([])).toThrow(/refused the messages: roles must alternate/);
  });

  it.each([
    ['{{ messages | groupby("role") }}', /needs Jinja that is not supported here: the filter groupby/],
    ['{{ messages is divisible }}', /not supported here: the test divisible/],
    ['{{ strftime_now("%Z") }}', /not supported here: strftime_now with %Z/],
  ])('names what it cannot render: %s', (source, message) => {
    const template = new ChatTemplate(named(source), {});
    const render = (): string => template.render([{ role: 'user', content: 'hi' }]);
    expect(render).toThrow(message);
    expect(render).toThrow(expect.objectContaining({ code: 'checkpoint-unsupported' }));
  });

  it('refuses a statement that it does not know, before any chat', () => {
    expect(() => new ChatTemplate(named('{% include "other.jinja" %}'), {})).toThrow(
      expect.objectContaining({ code: 'checkpoint-unsupported', message: expect.stringContaining('include') }),
    );
  });

  it('shows the date as Python does, whatever the locale', () => {
    const source = {
      ...named('{{ strftime_now("%d %b %Y, %B %A %H:%M:%S %%") }}'),
      now: () => new Date(2026, 4, 3, 7, 8, 9),
    };
    expect(new ChatTemplate(source, {}).render([])).toBe('03 May 2026, May Sunday 07:08:09 %');
  });

  it('refuses a template that does not parse', () => {
    expect(() => new ChatTemplate(named('{% for %}'), {})).toThrow(
      expect.objectContaining({ code: 'checkpoint-corrupt' }),
    );
  });
});

describe('findChatTemplate', () => {
  const find = (file: string | undefined, config: Record<string, unknown>): ChatTemplateSource | undefined =>
    findChatTemplate(file, config as TokenizerJson, '/model');

  it('prefers the file, then the text, then the named ones of a list', () => {
    const list = [
      { name: 'tool_use', template: 't' },
      { name: 'default', template: 'd' },
    ];
    const name = 'the chat template in /model/tokenizer_config.json';
    expect(find('file', { chat_template: 'text' })).toEqual({ template: 'file', name: '/model/chat_template.jinja' });
    expect(find(undefined, { chat_template: 'text' })).toEqual({ template: 'text', name });
    expect(find(undefined, { chat_template: list })).toEqual({ template: 'd', toolTemplate: 't', name });
    expect(find(undefined, { chat_template: list.slice(0, 1) })).toBeUndefined();
    expect(find(undefined, {})).toBeUndefined();
  });

  it('gives chats with tools the template for them', () => {
    const template = new ChatTemplate(named(plain, withTools), {});
    expect(template.render([{ role: 'user', content: 'hi' }])).toBe('<|user|>hi<|end|><|assistant|>');
    expect(template.render([{ role: 'user', content: 'hi' }], [{ function: { name: 'weather' } }])).toBe('[weather]hi');
  });
});
