import { ChatTemplate } from '@agent-lightning/embedded';
import { describe, expect, it } from 'vitest';

import { plainChat, toolChat } from './chat-formats.ts';

const calculator = {
  type: 'function',
  function: {
    name: 'calculator',
    description: 'Calculates.',
    parameters: { type: 'object', properties: { expression: { type: 'string' }, digits: { type: 'number' } } },
  },
};
const call = {
  id: 'call_1',
  type: 'function',
  function: { name: 'calculator', arguments: '{"expression":"\\"1\\" + 2"}' },
};

describe('the plain chat', () => {
  it('writes each message after its role', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ];
    expect(new ChatTemplate(plainChat.template, {}).render(messages)).toBe(
      '<|system|>Be brief.<|end|><|user|>Hi<|end|><|assistant|>',
    );
  });
});

describe('the chat with tools', () => {
  const template = new ChatTemplate(toolChat.template, {});

  it('is the plain chat where there are none', () => {
    const messages = [{ role: 'user', content: 'Hi' }];
    expect(template.render(messages)).toBe(new ChatTemplate(plainChat.template, {}).render(messages));
  });

  it('tells what tools there are, in few tokens', () => {
    const other = { type: 'function', function: { name: 'stop', parameters: { type: 'object', properties: {} } } };
    expect(template.render([{ role: 'user', content: 'Hi' }], [calculator, other])).toBe(
      '<|tools|>calculator(expression, digits) stop()<|end|><|user|>Hi<|end|><|assistant|>',
    );
  });

  it('writes a call as the model does, so that its next prompt goes on where its answer ended', () => {
    const asked = [{ role: 'user', content: 'What is 1 + 2?' }];
    const sampled = '<tool_call>{"name": "calculator", "arguments": {"expression": "\\"1\\" + 2"}}</tool_call>';
    const after = [
      ...asked,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: '3' },
    ];
    expect(template.render(after, [calculator])).toBe(
      `${template.render(asked, [calculator])}${sampled}<|end|><|tool|>3<|end|><|assistant|>`,
    );
  });
});
