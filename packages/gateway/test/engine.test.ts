import { attributeNames as names, BackendError } from '@agent-lightning/core';
import { deriveTraceId, formatTraceParent, gatewayHeaders } from '@agent-lightning/tracing';
import { HumanMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeEngine, promptTokensOf } from './fake-engine.ts';
import { startHarness, stopAll } from './harness.ts';

afterEach(stopAll);
const tools = [{ type: 'function' as const, function: { name: 'run_sql', parameters: {} } }];
const messages = [{ role: 'user' as const, content: 'say hello' }];

describe('a policy served by an in-process engine', () => {
  it('answers the official client and captures tokens, policy version and names', async () => {
    const { gateway, client, finish, claim } = await startHarness();
    const engine = new FakeEngine();
    gateway.publish('policy', { kind: 'engine', version: 3, engine });
    const parent = 'a1b2c3d4e5f60718';
    const traceId = deriveTraceId(claim.attempt.attemptId);
    const reply = await client.chat.completions.create(
      { model: 'policy', messages },
      {
        headers: {
          [gatewayHeaders.agentNames]: encodeURIComponent(JSON.stringify(['write_query', 'sql/write_query'])),
          [gatewayHeaders.traceParent]: formatTraceParent(traceId, parent),
        },
      },
    );
    expect(reply.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { role: 'assistant', content: 'hello world' },
    });
    expect(reply.usage).toMatchObject({ completion_tokens: 2 });
    expect(reply).not.toHaveProperty('prompt_token_ids');
    const [span, ...rest] = await finish();
    expect(rest).toEqual([]);
    expect(span).toMatchObject({
      kind: 'model_call',
      name: 'chat policy',
      parentSpanId: parent,
      status: { code: 'ok' },
    });
    expect(span?.attributes).toMatchObject({
      [names.source]: 'gateway',
      [names.policy]: 'policy',
      [names.policyVersion]: 3,
      [names.agentNames]: ['write_query', 'sql/write_query'],
      [names.responseId]: reply.id,
      [names.finishReasons]: ['stop'],
      [names.requestTemperature]: 1,
      [names.inputTokens]: reply.usage?.prompt_tokens,
      [names.outputTokens]: 2,
      [names.inputMessages]: JSON.stringify(messages),
      [names.outputMessages]: JSON.stringify([{ role: 'assistant', content: 'hello world' }]),
    });
    expect(span?.attributes).not.toHaveProperty(names.untrainable);
    const [asked] = engine.requests;
    expect(span?.tokens).toEqual({
      prompt: asked && promptTokensOf(asked),
      response: Int32Array.of(1000, 1001),
      logprobs: Float32Array.of(-1 / 64, -2 / 64),
    });
  });

  it('leaves the parts of a text to the engine, whose chat template says how they are joined', async () => {
    const { gateway, client, finish } = await startHarness();
    const engine = new FakeEngine();
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const content = ['Document A.', 'Question?'].map((text) => ({ type: 'text' as const, text }));
    await client.chat.completions.create({ model: 'policy', messages: [{ role: 'user', content }] });
    expect(engine.requests[0]?.input).toEqual({ messages: [{ role: 'user', content }] });
    await finish();
  });

  it('streams deltas as the engine makes them', async () => {
    const { gateway, client, finish } = await startHarness();
    let release = (): void => undefined;
    const seen = new Promise<void>((resolve) => {
      release = resolve;
    });
    const engine = new FakeEngine({
      before: (event) => (event.type === 'piece' && event.text === ' world' ? seen : undefined),
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const stream = await client.chat.completions.create({
      model: 'policy',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
      // The second piece is only made once the first one has arrived here.
      if (text === 'hello') release();
    }
    expect(text).toBe('hello world');
    expect(usage).toMatchObject({ completion_tokens: 2 });
    expect((await finish())[0]?.tokens?.response).toEqual(Int32Array.of(1000, 1001));
  });

  it('serves ChatOpenAI, plain and streamed', async () => {
    const { gateway, endpoint } = await startHarness();
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    const model = new ChatOpenAI({
      model: 'policy',
      apiKey: endpoint.apiKey,
      configuration: { baseURL: endpoint.baseUrl },
      maxRetries: 0,
    });
    expect((await model.invoke([new HumanMessage('hi')])).content).toBe('hello world');
    let text = '';
    for await (const chunk of await model.stream('hi')) text += String(chunk.content);
    expect(text).toBe('hello world');
  });

  it('gives token ids and log-probabilities to an agent that asks for them', async () => {
    const { gateway, client } = await startHarness();
    gateway.publish('policy', {
      kind: 'engine',
      version: 1,
      engine: new FakeEngine({
        answer: () => [
          {
            pieces: [
              ['a', 1],
              ['bc', 2],
            ],
          },
        ],
      }),
    });
    const reply = (await client.chat.completions.create({
      model: 'policy',
      messages,
      logprobs: true,
      return_token_ids: true,
    } as never)) as never as Record<string, unknown>;
    expect(reply).toMatchObject({
      choices: [
        {
          token_ids: [1000, 1001, 1002],
          logprobs: {
            content: [
              { token: 'a', logprob: -1 / 64 },
              { token: 'token_id:1001', logprob: -2 / 64 },
              { token: 'token_id:1002', logprob: -3 / 64 },
            ],
          },
        },
      ],
    });
    expect((reply['prompt_token_ids'] as number[]).length).toBeGreaterThan(0);
  });

  it('captures each of n choices in its own span, under one response id', async () => {
    const { gateway, client, finish } = await startHarness();
    gateway.publish('policy', {
      kind: 'engine',
      version: 1,
      engine: new FakeEngine({
        answer: () => [
          { pieces: [['a', 1]] },
          {
            pieces: [
              ['b', 1],
              ['c', 2],
            ],
            reason: 'length',
          },
        ],
      }),
    });
    const reply = await client.chat.completions.create({ model: 'policy', messages, n: 2 });
    expect(reply.choices.map((choice) => choice.message.content)).toEqual(['a', 'bc']);
    const spans = await finish();
    expect(
      spans.map((span) => [
        span.attributes[names.responseId],
        span.attributes[names.choiceIndex],
        span.attributes[names.outputTokens],
        span.attributes[names.finishReasons],
      ]),
    ).toEqual([
      [reply.id, 0, 1, ['stop']],
      [reply.id, 1, 3, ['length']],
    ]);
    expect(spans.map((span) => span.tokens?.response.length)).toEqual([1, 3]);
  });

  it('keeps parallel identical calls apart, and gives each its own seed', async () => {
    const { gateway, client, finish } = await startHarness();
    const engine = new FakeEngine();
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    await Promise.all(Array.from({ length: 20 }, () => client.chat.completions.create({ model: 'policy', messages })));
    const spans = await finish();
    expect(spans).toHaveLength(20);
    expect(new Set(spans.map((span) => span.attributes[names.responseId])).size).toBe(20);
    expect(new Set(engine.requests.map((request) => request.seed)).size).toBe(20);
  });

  it('derives the same seeds for the same rollout, whatever else ran', async () => {
    const seeds = async (seed: number, warmUps: number): Promise<unknown[]> => {
      const { gateway, open } = await startHarness({ seed });
      const engine = new FakeEngine();
      gateway.publish('policy', { kind: 'engine', version: 1, engine });
      const other = await open();
      for (let call = 0; call < warmUps; call += 1)
        await other.client.chat.completions.create({ model: 'policy', messages });
      const { client } = await open('train', 'rollout-7');
      for (let call = 0; call < 3; call += 1) await client.chat.completions.create({ model: 'policy', messages });
      return engine.requests.slice(warmUps).map((request) => request.seed);
    };
    const first = await seeds(1, 0);
    expect(await seeds(1, 2)).toEqual(first);
    expect(await seeds(2, 0)).not.toEqual(first);
  });

  it('tells the agent when its prompt is too long, in the words that clients look for', async () => {
    const { gateway, client, finish } = await startHarness();
    gateway.publish('policy', {
      kind: 'engine',
      version: 1,
      engine: new FakeEngine({
        before: () => {
          throw new BackendError('5000 prompt tokens are more than the context of 4096', { code: 'context-exceeded' });
        },
      }),
    });
    await expect(client.chat.completions.create({ model: 'policy', messages })).rejects.toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      param: 'messages',
    });
    expect((await finish())[0]).toMatchObject({
      status: { code: 'error' },
      attributes: { [names.errorType]: 'context_length_exceeded' },
    });
  });

  it('ends a stream with an error when the engine breaks, never with a reply that looks whole', async () => {
    const { gateway, client, finish } = await startHarness();
    gateway.publish('policy', {
      kind: 'engine',
      version: 1,
      engine: new FakeEngine({
        before: (event) => {
          if (event.type === 'piece' && event.text === ' world') throw new Error('out of memory');
        },
      }),
    });
    const stream = await client.chat.completions.create({ model: 'policy', messages, stream: true });
    let text = '';
    await expect(
      (async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      })(),
    ).rejects.toThrow('out of memory');
    expect(text).toBe('hello');
    const [span] = await finish();
    expect(span?.attributes).toMatchObject({ [names.incomplete]: true, [names.errorType]: 'upstream-failed' });
    expect(span?.attributes[names.untrainable]).toContain('out of memory');
    expect(span?.tokens?.response).toEqual(Int32Array.of(1000));
  });

  it('reads tool calls out of the text, streamed and not, and ends them as tool calls', async () => {
    const { gateway, client, finish } = await startHarness();
    const text = ['I will look.', '\n<tool', '_call>\n{"name": "run_sql", "argu', 'ments": {"q": 1}}\n</tool_call>'];
    const engine = new FakeEngine({ answer: () => [{ pieces: text.map((piece) => [piece, 2] as const) }] });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const whole = await client.chat.completions.create({ model: 'policy', messages, tools });
    const streamed = await client.chat.completions.stream({ model: 'policy', messages, tools }).finalChatCompletion();
    for (const reply of [whole, streamed]) {
      expect(reply.choices[0]).toMatchObject({
        finish_reason: 'tool_calls',
        message: {
          content: 'I will look.',
          tool_calls: [{ type: 'function', function: { name: 'run_sql', arguments: '{"q": 1}' } }],
        },
      });
    }
    expect(engine.requests[0]?.input).toMatchObject({ tools });
    for (const span of await finish()) {
      expect(span.tokens?.response).toHaveLength(8);
      expect(span.attributes[names.toolDefinitions]).toBe(JSON.stringify(tools));
      expect(span.attributes).not.toHaveProperty(names.untrainable);
    }
  });

  it('reads calls as the model of the engine writes them', async () => {
    const { gateway, client } = await startHarness();
    const pieces = ['{"name": "run_sql", ', '"parameters": {"q": 1}}'].map((piece) => [piece, 3] as const);
    const engine = new FakeEngine({ toolCallFormat: 'llama-json', answer: () => [{ pieces }] });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const whole = await client.chat.completions.create({ model: 'policy', messages, tools });
    const streamed = await client.chat.completions.stream({ model: 'policy', messages, tools }).finalChatCompletion();
    for (const reply of [whole, streamed]) {
      expect(reply.choices[0]).toMatchObject({
        finish_reason: 'tool_calls',
        message: { tool_calls: [{ function: { name: 'run_sql', arguments: '{"q": 1}' } }] },
      });
      expect(reply.choices[0]?.message.content ?? '').toBe('');
    }
    const text = await client.chat.completions.create({ model: 'policy', messages });
    expect(text.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: expect.stringMatching(/^{/) } });
  });

  it('hands arguments on as the model wrote them, and values between tags with the types of the tool', async () => {
    const { gateway, client } = await startHarness();
    const limits = { type: 'object', properties: { limit: { type: 'integer' } } };
    const typed = [{ type: 'function' as const, function: { name: 'run_sql', parameters: limits } }];
    const answers = {
      hermes: '<tool_call>{"name": "run_sql", "arguments": {"limit": 2512292042121000001, "x": 1.0}}</tool_call>',
      'qwen-xml':
        '<tool_call>\n<function=run_sql>\n<parameter=limit>\n2512292042121000001\n</parameter>\n</function>\n</tool_call>',
    };
    const expected = {
      hermes: '{"limit": 2512292042121000001, "x": 1.0}',
      'qwen-xml': '{"limit": 2512292042121000001}',
    };
    for (const format of ['hermes', 'qwen-xml'] as const) {
      const engine = new FakeEngine({ toolCallFormat: format, answer: () => [{ pieces: [[answers[format], 9]] }] });
      gateway.publish('policy', { kind: 'engine', version: 1, engine });
      const reply = await client.chat.completions.create({ model: 'policy', messages, tools: typed });
      expect(reply.choices[0]?.message.tool_calls).toMatchObject([{ function: { arguments: expected[format] } }]);
    }
  });

  it('keeps the thought of a channel apart from the answer, with tools and without, streamed or not', async () => {
    const { gateway, client } = await startHarness();
    const pieces = ['<|channel>thought\nI th', 'ink.<chan', 'nel|>Three.'].map((piece) => [piece, 3] as const);
    const engine = new FakeEngine({ toolCallFormat: 'gemma', answer: () => [{ pieces }] });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    for (const more of [{}, { tools }]) {
      const whole = await client.chat.completions.create({ model: 'policy', messages, ...more });
      expect(whole.choices[0]?.message).toMatchObject({
        content: 'Three.',
        reasoning: 'I think.',
        reasoning_content: 'I think.',
      });
      const stream = await client.chat.completions.create({ model: 'policy', messages, stream: true, ...more });
      const said = { content: '', reasoning: '' };
      for await (const { choices } of stream) {
        const delta = choices[0]?.delta as { content?: string; reasoning?: string } | undefined;
        said.content += delta?.content ?? '';
        said.reasoning += delta?.reasoning ?? '';
      }
      expect(said).toEqual({ content: 'Three.', reasoning: 'I think.' });
    }
  });

  it('leaves a call within a thought that the prompt began where it stands', async () => {
    const { gateway, client } = await startHarness();
    const said = 'Maybe <tool_call>{"name": "run_sql", "arguments": {}}</tool_call>\n</think>\n\nNo.';
    for (const isThinking of [true, false]) {
      const engine = new FakeEngine({ isThinking, answer: () => [{ pieces: [[said, 9]] }] });
      gateway.publish('policy', { kind: 'engine', version: 1, engine });
      const reply = await client.chat.completions.create({ model: 'policy', messages, tools });
      expect(reply.choices[0]?.message.tool_calls?.length ?? 0).toBe(isThinking ? 0 : 1);
      if (isThinking) expect(reply.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: said } });
    }
  });

  it('refuses tools where it is not known how the model writes calls, and serves chats without', async () => {
    const { gateway, client } = await startHarness();
    const engine = new FakeEngine({ toolCallFormat: undefined });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    await expect(client.chat.completions.create({ model: 'policy', messages, tools })).rejects.toMatchObject({
      status: 400,
      param: 'tools',
      message: expect.stringContaining('does not say how its model writes tool calls'),
    });
    const reply = await client.chat.completions.create({ model: 'policy', messages });
    expect(reply.choices[0]?.message.content).toBe('hello world');
  });

  it('tells the agent that its tools would be dropped', async () => {
    const { gateway, client } = await startHarness();
    const refuse = (): never => {
      throw new BackendError('the template has no tools', { code: 'option-unsupported' });
    };
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine({ before: refuse }) });
    await expect(client.chat.completions.create({ model: 'policy', messages })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('the template has no tools'),
    });
  });
});
