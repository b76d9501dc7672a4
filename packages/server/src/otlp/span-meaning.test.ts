import { describe, expect, it } from 'vitest';
import { readMeaning } from './span-meaning.ts';
import type { AnyAttributes } from './trace-export.ts';

const read = (name: string, attributes: AnyAttributes): ReturnType<typeof readMeaning> =>
  readMeaning({ name, attributes });
const json = (value: unknown): string => JSON.stringify(value);

describe('model calls', () => {
  it('are read by the current GenAI names, whose parts become chat messages', () => {
    const { kind, attributes } = read('chat gpt', {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt',
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.system_instructions': json([{ type: 'text', content: 'Be brief' }]),
      'gen_ai.input.messages': json([
        { role: 'user', parts: [{ type: 'text', content: 'Weather in Paris?' }] },
        { role: 'assistant', parts: [{ type: 'tool_call', id: 'c1', name: 'weather', arguments: { city: 'Paris' } }] },
        { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: 'rainy' }] },
      ]),
      'gen_ai.output.messages': json([
        { role: 'assistant', parts: [{ type: 'text', content: 'Rain' }], finish_reason: 'stop' },
      ]),
    });
    expect(kind).toBe('model_call');
    expect(JSON.parse(attributes['gen_ai.input.messages'] as string)).toEqual([
      { role: 'system', content: 'Be brief' },
      { role: 'user', content: 'Weather in Paris?' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Paris"}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'rainy' },
    ]);
    expect(JSON.parse(attributes['gen_ai.output.messages'] as string)).toEqual([
      { role: 'assistant', content: 'Rain' },
    ]);
    expect(attributes).toMatchObject({ 'agentlightning.source': 'framework' });
  });

  it('are read by the older GenAI names, message by message', () => {
    const { kind, attributes } = read('openai.chat', {
      'gen_ai.system': 'OpenAI',
      'llm.request.type': 'chat',
      'gen_ai.request.model': 'gpt',
      'gen_ai.prompt.0.role': 'user',
      'gen_ai.prompt.0.content': 'hi',
      'gen_ai.completion.0.role': 'assistant',
      'gen_ai.completion.0.finish_reason': 'tool_calls',
      'gen_ai.completion.0.tool_calls.0.id': 'c1',
      'gen_ai.completion.0.tool_calls.0.name': 'add',
      'gen_ai.completion.0.tool_calls.0.arguments': '{"a":1}',
      'gen_ai.usage.prompt_tokens': 4,
      'gen_ai.usage.completion_tokens': 3,
    });
    expect(kind).toBe('model_call');
    expect(attributes).toMatchObject({
      'gen_ai.provider.name': 'OpenAI',
      'gen_ai.usage.input_tokens': 4,
      'gen_ai.usage.output_tokens': 3,
      'gen_ai.response.finish_reasons': ['tool_calls'],
      'gen_ai.input.messages': json([{ role: 'user', content: 'hi' }]),
    });
    expect(JSON.parse(attributes['gen_ai.output.messages'] as string)).toEqual([
      {
        role: 'assistant',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } }],
      },
    ]);
  });

  it('are read by the names of OpenInference', () => {
    const { kind, attributes } = read('ChatOpenAI', {
      'openinference.span.kind': 'LLM',
      'llm.model_name': 'gpt',
      'llm.input_messages.0.message.role': 'user',
      'llm.input_messages.0.message.content': 'hi',
      'llm.output_messages.0.message.role': 'assistant',
      'llm.output_messages.0.message.content': 'hello',
      'llm.token_count.prompt': 2,
    });
    expect(kind).toBe('model_call');
    expect(attributes).toMatchObject({
      'gen_ai.request.model': 'gpt',
      'gen_ai.usage.input_tokens': 2,
      'gen_ai.input.messages': json([{ role: 'user', content: 'hi' }]),
      'gen_ai.output.messages': json([{ role: 'assistant', content: 'hello' }]),
    });
  });

  it('have tokens when ids and log-probabilities came with them, and say why when they cannot be trained on', () => {
    const ids = { prompt_token_ids: [1, 2], response_token_ids: [3, 4], 'gen_ai.response.id': 'r' };
    const whole = read('openai.chat.completion', {
      ...ids,
      'logprobs.content': json([{ logprob: -0.5 }, { logprob: -1 }]),
    });
    expect(whole.found?.tokens).toEqual({
      prompt: Int32Array.of(1, 2),
      response: Int32Array.of(3, 4),
      logprobs: Float32Array.of(-0.5, -1),
    });
    expect(whole.attributes['agentlightning.source']).toBe('gateway');
    expect(read('x', { ...ids, response_logprobs: [-0.5, -1] }).found?.tokens?.logprobs).toEqual(
      Float32Array.of(-0.5, -1),
    );
    const untrainable = (attributes: AnyAttributes): unknown =>
      read('x', attributes).attributes['agentlightning.untrainable'];
    expect(untrainable(ids)).toMatch(/without log-probabilities/u);
    expect(untrainable({ ...ids, response_logprobs: [-1] })).toMatch(/1 log-probabilities for 2/u);
    expect(untrainable({ ...ids, response_logprobs: [-1, 3] })).toMatch(/log-probability 1 is 3/u);
    expect(untrainable({ ...ids, prompt_token_ids: [-1], response_logprobs: [-1, -1] })).toMatch(
      /token id of the prompt/u,
    );
  });
});

describe('other spans', () => {
  it('are tools and agents by any convention', () => {
    expect(read('execute_tool add', { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'add' }).kind).toBe(
      'tool_call',
    );
    expect(read('add.tool', { 'traceloop.span.kind': 'tool', 'traceloop.entity.name': 'add' })).toMatchObject({
      kind: 'tool_call',
      attributes: { 'gen_ai.tool.name': 'add' },
    });
    expect(read('agent', { 'openinference.span.kind': 'AGENT', 'agent.name': 'writer' })).toMatchObject({
      kind: 'agent',
      attributes: { 'gen_ai.agent.name': 'writer' },
    });
    expect(read('GET /', { 'http.route': '/' }).kind).toBe('operation');
  });

  it('are rewards in each of the forms that 0.3 and its forerunners emit', () => {
    const reward = { 'agentlightning.reward.0.name': 'primary', 'agentlightning.reward.0.value': 0.5 };
    expect(read('agentlightning.annotation', reward)).toMatchObject({ kind: 'reward', attributes: {} });
    expect(read('agentlightning.annotation', { ...reward, 'agentlightning.reward.0.value': true }).attributes).toEqual({
      'agentlightning.reward.0.value': 1,
    });
    const linked = {
      ...reward,
      'agentlightning.link.0.key_match': 'span_id',
      'agentlightning.link.0.value_match': 'ab',
    };
    expect(read('agentlightning.annotation', linked).attributes).toEqual({
      'agentlightning.reward.scope': 'span',
      'agentlightning.reward.target': 'ab',
    });
    const old = { 'agentlightning.reward.0.name': 'primary', 'agentlightning.reward.0.value': 2 };
    expect(read('agentlightning.annotation', { reward: 2 })).toMatchObject({ kind: 'reward', attributes: old });
    expect(read('reward.task', { 'agentops.task.output': json({ type: 'reward', value: 2 }) })).toMatchObject({
      kind: 'reward',
      attributes: old,
    });
  });
});
