import Anthropic from '@anthropic-ai/sdk';
import { attributeNames as names, type LlmEndpoint } from '@agent-lightning/core';
import type { ScriptedReply } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeEngine } from './fake-engine.ts';
import { startHarness, stopAll } from './harness.ts';
import { startScripted } from './scripted.ts';

afterEach(stopAll);
const tools = [
  { name: 'run_sql', description: 'Runs a query.', input_schema: { type: 'object' as const, properties: {} } },
];
const asked = { model: 'policy', max_tokens: 50, messages: [{ role: 'user' as const, content: 'Go.' }] };

/** The official client; its key goes in `x-api-key`. */
function anthropic(endpoint: LlmEndpoint): Anthropic {
  return new Anthropic({ baseURL: endpoint.baseUrl.replace(/\/v1$/u, ''), apiKey: endpoint.apiKey, maxRetries: 0 });
}

describe('POST /v1/messages', () => {
  it.each(['', '/v1', '/v1/v1'])(
    'answers clients whose base URL was meant for others: %s/messages',
    async (version) => {
      const { endpoint, finish } = await startScripted(['Six.']);
      const url = `${endpoint.baseUrl.replace(/\/v1$/u, '')}${version}/messages`;
      const headers = { 'x-api-key': endpoint.apiKey, 'content-type': 'application/json' };
      const post = (body: unknown) => fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
      expect(await (await post(asked)).json()).toMatchObject({ type: 'message', content: [{ text: 'Six.' }] });
      expect(await (await post({ ...asked, messages: 7 })).json()).toMatchObject({ type: 'error' });
      expect((await finish())[0]?.attributes).toMatchObject({ [names.dialect]: 'messages' });
    },
  );

  it('is not found behind a third /v1', async () => {
    const { endpoint } = await startScripted();
    const headers = { 'x-api-key': endpoint.apiKey, 'content-type': 'application/json' };
    const reply = await fetch(`${endpoint.baseUrl}/v1/v1/messages`, { method: 'POST', headers, body: '{}' });
    expect([reply.status, await reply.text()]).toEqual([
      404,
      expect.stringContaining('nothing is served at /v1/messages'),
    ]);
  });

  it('asks in chat and tells the reply as a message', async () => {
    const { endpoint, server, finish } = await startScripted([
      { content: 'Six.', reasoning: 'Let me count.', id: 'chatcmpl-7' },
    ]);
    const message = await anthropic(endpoint).messages.create({
      model: 'policy',
      max_tokens: 50,
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      stop_sequences: ['\n\n'],
      metadata: { user_id: 'u1' },
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'How many?' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
            { type: 'image', source: { type: 'url', url: 'https://example.test/a.png' } },
          ],
        },
      ],
    });
    expect(message).toMatchObject({
      id: 'chatcmpl-7',
      type: 'message',
      role: 'assistant',
      stop_reason: 'end_turn',
      content: [
        { type: 'thinking', thinking: 'Let me count.' },
        { type: 'text', text: 'Six.' },
      ],
    });
    expect(server.calls[0]?.body).toMatchObject({
      max_tokens: 50,
      stop: ['\n\n'],
      user: 'u1',
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'How many?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            { type: 'image_url', image_url: { url: 'https://example.test/a.png' } },
          ],
        },
      ],
    });
    const [span] = await finish();
    expect(message.usage).toMatchObject({
      input_tokens: span?.tokens?.prompt.length,
      output_tokens: span?.tokens?.response.length,
    });
    expect(span?.attributes).toMatchObject({ [names.dialect]: 'messages', [names.responseId]: 'chatcmpl-7' });
    expect(span?.attributes).not.toHaveProperty(names.untrainable);
    expect(JSON.stringify(span)).not.toContain(endpoint.apiKey);
  });

  it.each([false, true])(
    'ends by tool_use beside a tool call, whatever its server calls it; stream: %s',
    async (stream) => {
      const { endpoint } = await startScripted([
        { toolCalls: [{ name: 'run_sql', arguments: { n: 1 } }], finishReason: 'stop' },
      ]);
      const { messages } = anthropic(endpoint);
      const reply = stream
        ? await messages.stream({ ...asked, tools }).finalMessage()
        : await messages.create({ ...asked, tools });
      expect(reply.stop_reason).toBe('tool_use');
    },
  );

  it('runs a tool loop with parallel calls and a failing tool', async () => {
    const { endpoint, server } = await startScripted([
      {
        content: 'Looking.',
        reasoning: 'Two queries.',
        toolCalls: [1, 2].map((n) => ({ name: 'run_sql', arguments: { n } })),
      },
      'Done.',
    ]);
    const client = anthropic(endpoint);
    const first = await client.messages.create({ ...asked, tools, tool_choice: { type: 'auto' } });
    expect(first.stop_reason).toBe('tool_use');
    const calls = first.content.filter((block) => block.type === 'tool_use');
    expect(calls.map((call) => call.input)).toEqual([{ n: 1 }, { n: 2 }]);
    const second = await client.messages.create({
      ...asked,
      tools,
      messages: [
        ...asked.messages,
        { role: 'assistant', content: first.content },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: calls[0]?.id ?? '', content: 'one row' },
            { type: 'tool_result', tool_use_id: calls[1]?.id ?? '', content: 'no such table', is_error: true },
            { type: 'text', text: 'Go on.' },
          ],
        },
      ],
    });
    expect(second.content).toMatchObject([{ type: 'text', text: 'Done.' }]);
    const body = server.calls[1]?.body as unknown as { messages: unknown[] } | undefined;
    expect(body?.messages).toEqual([
      { role: 'user', content: 'Go.' },
      {
        role: 'assistant',
        content: 'Looking.',
        reasoning: 'Two queries.',
        reasoning_content: 'Two queries.',
        tool_calls: [
          { id: 'call_0_0', type: 'function', function: { name: 'run_sql', arguments: '{"n":1}' } },
          { id: 'call_0_1', type: 'function', function: { name: 'run_sql', arguments: '{"n":2}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_0_0', content: 'one row' },
      { role: 'tool', tool_call_id: 'call_0_1', content: 'Error: no such table' },
      { role: 'user', content: 'Go on.' },
    ]);
  });

  it.each<[string, ScriptedReply]>([
    ['text', { content: 'one two three' }],
    ['reasoning and text', { reasoning: 'hm well', content: 'one two' }],
    ['tool calls', { content: 'now', toolCalls: [{ name: 'run_sql', arguments: { query: 'select 1' } }] }],
    ['parallel calls', { toolCalls: [1, 2].map((id) => ({ name: 'run_sql', arguments: { id } })) }],
    ['arguments that are no JSON', { toolCalls: [{ name: 'run_sql', arguments: '{"query": "sel' }] }],
    ['a refusal', { content: null, refusal: 'I will not' }],
    ['a length', { content: 'cut off', finishReason: 'length' }],
    ['nothing', { content: '' }],
  ])('streams %s as the official client wants it, equal to the whole', async (_name, reply) => {
    const { endpoint, finish } = await startScripted(() => ({ ...reply, id: 'same', chunkTokens: [2, 1] }));
    const client = anthropic(endpoint);
    const whole = await client.messages.create({ ...asked, tools });
    const streamed = await client.messages.stream({ ...asked, tools }).finalMessage();
    expect(asSent(streamed)).toEqual(asSent(whole));
    const [first, second] = await finish();
    expect(second?.tokens).toEqual(first?.tokens);
    expect(second?.attributes[names.outputMessages]).toEqual(first?.attributes[names.outputMessages]);
  });

  it.each([
    '{"id":2512292042121000001,"x":1.0,"y":1e5}',
    '{ "b": 1, "10": "x", "2": "y" }',
    '{"city":"Oslo","n":[1,2.5]}',
  ])('gives numbers and the order of arguments as the policy wrote them, in both directions: %s', async (text) => {
    const { endpoint, server } = await startScripted(() => ({ toolCalls: [{ name: 'run_sql', arguments: text }] }));
    const ask = async (body: string): Promise<string> => {
      const headers = { 'content-type': 'application/json', 'x-api-key': endpoint.apiKey };
      return (await fetch(`${endpoint.baseUrl}/messages`, { method: 'POST', headers, body })).text();
    };
    expect(await ask(JSON.stringify({ ...asked, tools }))).toContain(`"input":${text}`);
    const events = (await ask(JSON.stringify({ ...asked, tools, stream: true }))).split('\n');
    const delta = events.find((line) => line.includes('input_json_delta'))?.slice('data: '.length) ?? '';
    expect((JSON.parse(delta) as { delta: { partial_json: string } }).delta.partial_json).toBe(text);
    const call = `{"type":"tool_use","id":"t","name":"run_sql","input":${text}}`;
    const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'ok' }] };
    const history = `[{"role":"user","content":"Go."},{"role":"assistant","content":[{"type":"text","text":"\\"tool_use\\": {"},${call}]},${JSON.stringify(result)}]`;
    await ask(`{"model":"policy","max_tokens":50,"messages":${history}}`);
    expect(server.calls[2]?.body).toMatchObject({
      messages: [{}, { tool_calls: [{ function: { name: 'run_sql', arguments: text } }] }, {}],
    });
  });

  it('gives broken arguments back to the policy as it sampled them', async () => {
    const { endpoint, server } = await startScripted([
      { toolCalls: [{ name: 'run_sql', arguments: '{"query": "sel' }] },
      'ok',
    ]);
    const client = anthropic(endpoint);
    const first = await client.messages.create({ ...asked, tools });
    expect(first.content).toMatchObject([{ type: 'tool_use', input: { invalid_json: '{"query": "sel' } }]);
    await client.messages.create({
      ...asked,
      messages: [
        ...asked.messages,
        { role: 'assistant', content: first.content },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'call_0_0', content: 'no JSON', is_error: true }],
        },
      ],
    });
    expect(server.calls[1]?.body).toMatchObject({
      messages: [{}, { tool_calls: [{ function: { arguments: '{"query": "sel' } }] }, {}],
    });
  });

  it('maps tool choices and structured output', async () => {
    const { endpoint, server } = await startScripted(() => '{"count":6}', {
      sampling: { train: { structuredOutput: 'grammar' } },
    });
    const client = anthropic(endpoint);
    const schema = { type: 'object', properties: { count: { type: 'number' } } };
    await client.messages.create({ ...asked, tools, tool_choice: { type: 'any', disable_parallel_tool_use: true } });
    await client.messages.create({ ...asked, tools, tool_choice: { type: 'tool', name: 'run_sql' } });
    const message = await client.messages.parse({
      ...asked,
      output_config: { format: { type: 'json_schema', schema }, effort: 'low' },
    });
    expect(message.content).toMatchObject([{ type: 'text', text: '{"count":6}' }]);
    // The first call asks the server what it reports under a grammar.
    expect(server.calls.map((call) => call.body)).toMatchObject([
      { messages: [{ content: 'Say hello.' }] },
      { tool_choice: 'required', parallel_tool_calls: false },
      { tool_choice: { type: 'function', function: { name: 'run_sql' } } },
      { response_format: { type: 'json_schema', json_schema: { schema } }, reasoning_effort: 'low' },
    ]);
  });

  it('names the stop text that ended the reply, where the server tells it', async () => {
    const { endpoint } = await startScripted(() => ({
      content: 'a',
      rewrite: (payload) => ({
        ...payload,
        choices: (payload['choices'] as { finish_reason: string | null }[]).map((choice) =>
          choice.finish_reason === null ? choice : { ...choice, stop_reason: 'END' },
        ),
      }),
    }));
    const client = anthropic(endpoint);
    const ended = { stop_reason: 'stop_sequence', stop_sequence: 'END' };
    expect(await client.messages.create(asked)).toMatchObject(ended);
    expect(await client.messages.stream(asked).finalMessage()).toMatchObject(ended);
  });

  it('asks an engine in this process', async () => {
    const { gateway, endpoint, finish } = await startHarness();
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    const client = anthropic(endpoint);
    expect(await client.messages.create(asked)).toMatchObject({ content: [{ text: 'hello world' }] });
    expect(await client.messages.stream(asked).finalText()).toBe('hello world');
    expect((await finish()).map((span) => [...(span.tokens?.response ?? [])])).toEqual([
      [1000, 1001],
      [1000, 1001],
    ]);
  });

  it.each([
    [{ max_tokens: undefined }, 'max_tokens'],
    [{ thinking: { type: 'enabled', budget_tokens: 2000 } }, 'thinking.budget_tokens'],
    [{ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'tools[0].type'],
    [{ container: 'c' }, 'container'],
    [{ messages: [{ role: 'user', content: [{ type: 'document', source: {} }] }] }, 'messages[0].content[0].type'],
    [
      {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ],
      },
      'messages[1]',
    ],
    [{ messages: [{ role: 'tool', content: 'a' }] }, 'messages[0].role'],
    [{ output_config: { effort: 'max' } }, 'output_config.effort'],
    [{ metadata: { other: 1 } }, 'metadata.other'],
  ])('refuses %j in the words of its API, naming the field', async (fields, param) => {
    const { post, server } = await startScripted();
    const response = await post({ ...asked, ...fields }, { path: '/messages' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error', param } });
    expect(server.calls).toHaveLength(0);
  });

  it('tells errors as the official client expects them, before and after the first byte', async () => {
    const { endpoint } = await startScripted([
      { fault: { type: 'status', status: 400, message: 'too long' } },
      { content: 'one two three', fault: { type: 'cut', afterEvents: 3 } },
    ]);
    const client = anthropic(endpoint);
    await expect(client.messages.create(asked)).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(client.messages.stream(asked).finalMessage()).rejects.toThrow(/broke off/u);
    const wrong = new Anthropic({ baseURL: endpoint.baseUrl.replace(/\/v1$/u, ''), apiKey: 'wrong', maxRetries: 0 });
    await expect(wrong.messages.create(asked)).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
  });
});

/** A message without what the client adds. */
function asSent(message: unknown): unknown {
  return JSON.parse(JSON.stringify(message, (key, value: unknown) => (key === 'parsed_output' ? undefined : value)));
}
