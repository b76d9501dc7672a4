import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { startModelServer, type ModelServer, type ModelServerOptions } from './model-server.ts';
import { scriptedPromptTokens, tokenizeScripted } from './scripted-tokens.ts';

const servers: ModelServer[] = [];
async function start(options: ModelServerOptions = {}): Promise<{ server: ModelServer; client: OpenAI }> {
  const server = await startModelServer(options);
  servers.push(server);
  return { server, client: new OpenAI({ baseURL: server.baseUrl, apiKey: 'any', maxRetries: 0 }) };
}
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const messages = [{ role: 'user' as const, content: 'hello there' }];

describe('startModelServer', () => {
  it('answers as the script says and records what it was asked', async () => {
    const { server, client } = await start({
      respond: (request) => `you said ${String(request.messages[0]?.content)}`,
    });
    const reply = await client.chat.completions.create({ model: 'm', messages, temperature: 0.5 });
    expect(reply.choices[0]?.message.content).toBe('you said hello there');
    expect(reply.usage).toMatchObject({ completion_tokens: 5 });
    expect(server.calls).toHaveLength(1);
    expect(server.calls[0]?.body).toMatchObject({ model: 'm', temperature: 0.5 });
    await expect(server.calls[0]?.finished).resolves.toBe(true);
  });

  it('leaves to `intercept` the calls that it takes, without asking for a key, and records them as all others', async () => {
    const { server, client } = await start({
      apiKey: 'key',
      intercept: ({ method, path }, response) => {
        if (`${method} ${path}` !== 'GET /health') return false;
        response.writeHead(204).end();
        return true;
      },
    });
    expect((await fetch(new URL('/health', server.baseUrl))).status).toBe(204);
    await expect(client.chat.completions.create({ model: 'm', messages })).rejects.toMatchObject({ status: 401 });
    expect(server.calls.map(({ path }) => path)).toEqual(['/health', '/v1/chat/completions']);
  });

  it('listens at the port that it is given', async () => {
    const { server: first } = await start();
    const { baseUrl } = first;
    await first.close();
    servers.pop();
    const { server: second } = await start({ port: Number(new URL(baseUrl).port) });
    expect(second.baseUrl).toBe(baseUrl);
  });

  it('streams content, tool calls and usage to the official client', async () => {
    const { client } = await start({
      respond: () => ({
        content: 'let me look',
        toolCalls: [{ name: 'run_sql', arguments: { query: 'select 1' } }],
        chunkTokens: [2, 1],
      }),
    });
    const stream = client.chat.completions.stream({ model: 'm', messages, stream_options: { include_usage: true } });
    const reply = await stream.finalChatCompletion();
    expect(reply.choices[0]?.message.content).toBe('let me look');
    const call = reply.choices[0]?.message.tool_calls?.[0];
    expect(call).toMatchObject({
      id: 'call_0_0',
      type: 'function',
      function: { name: 'run_sql', arguments: '{"query":"select 1"}' },
    });
    expect(reply.choices[0]?.finish_reason).toBe('tool_calls');
    expect(reply.usage?.completion_tokens).toBe(3 + 1 + 2 + 1);
  });

  it('reports the same token ids and log-probabilities streamed and not', async () => {
    const { client } = await start({
      respond: () => ({ content: 'a b c d', toolCalls: [{ name: 't', arguments: '{}' }], chunkTokens: [3] }),
    });
    const request = { model: 'm', messages, logprobs: true, return_token_ids: true };
    const whole = (await client.chat.completions.create(request)) as unknown as {
      prompt_token_ids: number[];
      choices: { token_ids: number[]; logprobs: { content: { logprob: number }[] } }[];
    };
    const ids: number[] = [];
    const logprobs: number[] = [];
    let prompt: number[] = [];
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
      const parsed = chunk as unknown as {
        prompt_token_ids?: number[];
        choices: { token_ids?: number[]; logprobs?: { content: { logprob: number }[] } | null }[];
      };
      prompt = parsed.prompt_token_ids ?? prompt;
      ids.push(...(parsed.choices[0]?.token_ids ?? []));
      logprobs.push(...(parsed.choices[0]?.logprobs?.content.map((entry) => entry.logprob) ?? []));
    }
    expect(prompt).toEqual(scriptedPromptTokens(request));
    expect(whole.prompt_token_ids).toEqual(prompt);
    expect(whole.choices[0]?.token_ids).toEqual(ids);
    expect(ids.slice(0, 4)).toEqual(tokenizeScripted('a b c d').map((token) => token.id));
    expect(whole.choices[0]?.logprobs.content.map((entry) => entry.logprob)).toEqual(logprobs);
    expect(logprobs).toHaveLength(ids.length);
  });

  it('keeps token ids to itself when nobody asks, and when the script says so', async () => {
    const { client } = await start({ respond: [{ content: 'x' }, { content: 'x', reportsTokens: false }] });
    const plain = await client.chat.completions.create({ model: 'm', messages });
    const asked = await client.chat.completions.create({ model: 'm', messages, return_token_ids: true } as never);
    expect(plain).not.toHaveProperty('prompt_token_ids');
    expect(asked).not.toHaveProperty('prompt_token_ids');
  });

  it('gives n choices', async () => {
    const { client } = await start({
      respond: [{ choices: [{ content: 'one' }, { content: 'two', finishReason: 'length' }] }],
    });
    const reply = await client.chat.completions.create({ model: 'm', messages, n: 2 });
    expect(reply.choices.map((choice) => [choice.index, choice.message.content, choice.finish_reason])).toEqual([
      [0, 'one', 'stop'],
      [1, 'two', 'length'],
    ]);
  });

  it('fails with the scripted status and headers', async () => {
    const { client } = await start({
      respond: [{ fault: { type: 'status', status: 429, headers: { 'retry-after': '7' } } }],
    });
    const error = await client.chat.completions.create({ model: 'm', messages }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect((error as InstanceType<typeof OpenAI.RateLimitError>).headers?.get('retry-after')).toBe('7');
  });

  it('refuses a wrong key and lists its models', async () => {
    const { client } = await start({ apiKey: 'secret', models: ['a', 'b'] });
    await expect(client.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    const { client: open } = await start({ models: ['a', 'b'] });
    expect((await open.models.list()).data.map((model) => model.id)).toEqual(['a', 'b']);
  });

  const body = JSON.stringify({ model: 'm', messages });
  const post = (server: ModelServer, payload = body, signal?: AbortSignal): Promise<Response> =>
    fetch(`${server.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: payload,
      ...(signal === undefined ? {} : { signal }),
    });
  const streamed = JSON.stringify({ model: 'm', messages, stream: true });

  it('breaks replies in each way it knows', async () => {
    const { server } = await start({
      respond: [
        { content: 'x', fault: { type: 'reset' } },
        { content: 'x', fault: { type: 'truncate', afterEvents: 2 } },
        { content: 'x', fault: { type: 'cut', afterEvents: 2 } },
        { content: 'x', fault: { type: 'content-type', contentType: 'text/html', body: '<p>hello' } },
        { content: 'x', fault: { type: 'truncate', afterEvents: 1 } },
      ],
    });
    await expect(post(server)).rejects.toThrow();
    const half = await (await post(server)).text();
    expect(() => JSON.parse(half) as unknown).toThrow();
    await expect(post(server).then((response) => response.text())).rejects.toThrow();
    const page = await post(server);
    expect([page.headers.get('content-type'), await page.text()]).toEqual(['text/html', '<p>hello']);
    const events = await (await post(server, streamed)).text();
    expect(events).toContain('data: {');
    expect(events).not.toContain('[DONE]');
  });

  it('notices a client that goes away from a stalled or an endless reply', async () => {
    const { server } = await start({
      respond: [
        { content: 'x', fault: { type: 'stall', afterEvents: 0 } },
        { content: 'x y', fault: { type: 'endless' } },
      ],
    });
    const controller = new AbortController();
    const waiting = post(server, body, controller.signal);
    while (server.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await expect(waiting).rejects.toThrow();
    await expect(server.calls[0]?.finished).resolves.toBe(false);
    const reader = (await post(server, streamed)).body?.getReader();
    for (let reads = 0; reads < 5; reads += 1) expect((await reader?.read())?.done).toBe(false);
    await reader?.cancel();
    await expect(server.calls[1]?.finished).resolves.toBe(false);
  });

  it('answers 500 with the script’s own error, and for a call beyond the script', async () => {
    const { server } = await start({
      respond: () => {
        throw new RangeError('no such question');
      },
    });
    expect(await (await post(server)).text()).toContain('no such question');
    server.respondWith([]);
    expect((await post(server)).status).toBe(500);
  });
});
