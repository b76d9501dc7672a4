import { attributeNames as names, type Span } from '@agent-lightning/core';
import {
  scriptedPromptTokens,
  startModelServer,
  tokenizeScripted,
  type ChatRequest,
  type ModelServer,
  type ModelServerOptions,
  type ScriptedReply,
} from '@agent-lightning/testing';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { onStop, startHarness, stopAll, until, type Harness } from './harness.ts';

afterEach(stopAll);
const messages = [{ role: 'user' as const, content: 'count the rows' }];

async function start(
  respond: ModelServerOptions['respond'],
  options: Parameters<typeof startHarness>[0] = {},
): Promise<Harness & { server: ModelServer }> {
  const server = await startModelServer({ apiKey: 'upstream-secret', ...(respond === undefined ? {} : { respond }) });
  onStop(() => server.close());
  const harness = await startHarness(options);
  harness.gateway.publish('policy', {
    kind: 'openai',
    version: 5,
    baseUrl: server.baseUrl,
    model: 'agl-run-v5',
    apiKey: 'upstream-secret',
  });
  return { ...harness, server };
}

const tokensOf = (text: string): number[] => [...tokenizeScripted(text).map((token) => token.id), 2];

describe('a policy behind an OpenAI-compatible server', () => {
  it('asks for ids and log-probabilities, stores them, and shows the agent none of it', async () => {
    const { client, server, finish } = await start([{ content: 'select 1', id: 'chatcmpl-x' }]);
    const reply = await client.chat.completions.create({ model: 'policy', messages, user: 'me' });
    expect(server.calls[0]?.body).toMatchObject({
      model: 'agl-run-v5',
      return_token_ids: true,
      logprobs: true,
      temperature: 1,
      top_p: 1,
      user: 'me',
    });
    expect(reply).toMatchObject({ id: 'chatcmpl-x', choices: [{ message: { content: 'select 1' }, logprobs: null }] });
    expect(reply).not.toHaveProperty('prompt_token_ids');
    expect(reply.choices[0]).not.toHaveProperty('token_ids');
    const [span] = await finish();
    expect(span?.attributes).toMatchObject({
      [names.policyVersion]: 5,
      [names.responseId]: 'chatcmpl-x',
      [names.responseModel]: 'agl-run-v5',
      [names.upstreamModel]: 'agl-run-v5',
      [names.upstream]: server.baseUrl,
    });
    expect([...(span?.tokens?.prompt ?? [])]).toEqual(scriptedPromptTokens({ messages }));
    expect([...(span?.tokens?.response ?? [])]).toEqual(tokensOf('select 1'));
    expect(span?.tokens?.logprobs).toHaveLength(3);
    expect(JSON.stringify(span)).not.toContain('upstream-secret');
  });

  it('stores the output of several choices without tokens once, with the first', async () => {
    const choices = [{ content: 'a b' }, { content: 'c' }];
    const { client, finish } = await start([{ choices, reportsTokens: false, usage: { completion_tokens: 9 } }]);
    await client.chat.completions.create({ model: 'policy', messages, n: 2 });
    expect((await finish()).map(({ attributes }) => attributes[names.outputTokens])).toEqual([9, undefined]);
  });

  it('streams each chunk as it comes, and strips what was not asked for', async () => {
    const { client, server } = await start([{ content: 'a b c' }]);
    const chunks = [];
    for await (const chunk of await client.chat.completions.create({ model: 'policy', messages, stream: true }))
      chunks.push(chunk);
    expect(server.calls[0]?.body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('a b c');
    expect(JSON.stringify(chunks)).not.toMatch(/token_ids|"logprobs":\{|"usage":\{/u);
  });

  it('gives an agent the ids, log-probabilities and usage that it asked for', async () => {
    const { client } = await start(() => 'a b');
    const asked = { model: 'policy', messages, logprobs: true, return_token_ids: true };
    const whole = await client.chat.completions.create(asked);
    expect(whole).toMatchObject({
      prompt_token_ids: scriptedPromptTokens({ messages }),
      choices: [{ token_ids: tokensOf('a b'), logprobs: { content: [{}, {}, {}] } }],
    });
    const ids: number[] = [];
    let usage: unknown;
    for await (const chunk of await client.chat.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    })) {
      ids.push(...((chunk.choices[0] as { token_ids?: number[] } | undefined)?.token_ids ?? []));
      usage = chunk.usage ?? usage;
    }
    expect(ids).toEqual(tokensOf('a b'));
    expect(usage).toMatchObject({ completion_tokens: 3 });
  });

  it('captures the same from a stream, however it is cut, as from the whole reply', async () => {
    const text = fc
      .array(fc.constantFrom('SELECT', 'naïve', '数', '🙂🙂', '"quoted"', '\n', 'x y', '\\'), { maxLength: 12 })
      .map((words) => words.join(' '));
    const choice = fc.record(
      {
        content: text,
        reasoning: fc.option(text, { nil: undefined }),
        toolCalls: fc.array(
          fc.record({ name: fc.constantFrom('run_sql', 'look'), arguments: fc.record({ query: text }) }),
          { maxLength: 2 },
        ),
        finishReason: fc.constantFrom('stop', 'length', 'tool_calls'),
      },
      { requiredKeys: ['content', 'toolCalls', 'finishReason'] },
    );
    const shape = fc.record({
      choices: fc.array(choice, { minLength: 1, maxLength: 3 }),
      chunkTokens: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
      writeBytes: fc.integer({ min: 1, max: 400 }),
    });
    const { open, server, finish } = await start([]);
    await fc.assert(
      fc.asyncProperty(shape, async ({ choices, chunkTokens, writeBytes }) => {
        server.respondWith(() => ({
          id: 'same',
          choices: choices as ScriptedReply['choices'] & {},
          chunkTokens,
          writeBytes,
        }));
        const { client, claim } = await open();
        const asked = { model: 'policy', messages, n: choices.length };
        await client.chat.completions.create(asked);
        for await (const _chunk of await client.chat.completions.create({ ...asked, stream: true }));
        const spans = await finish(claim);
        const whole = spans.slice(0, choices.length).map(comparable);
        expect(spans).toHaveLength(choices.length * 2);
        expect(spans.slice(choices.length).map(comparable)).toEqual(whole);
        // A reply without a single token is nothing to train on, and neither are its siblings.
        const isEmpty = whole.some(
          (span) => span.attributes[names.outputTokens] === undefined || span.attributes[names.outputTokens] === 0,
        );
        for (const span of whole) expect(names.untrainable in span.attributes).toBe(isEmpty);
      }),
      {
        numRuns: 60,
        examples: [
          [{ choices: [{ content: '', toolCalls: [], finishReason: 'length' }], chunkTokens: [1], writeBytes: 1 }],
        ],
      },
    );
  });

  it('leaves calls in flight on the version that admitted them', async () => {
    const { gateway, client, server, finish } = await start(undefined);
    let answerOld = (): void => undefined;
    server.respondWith((request: ChatRequest) =>
      request.model === 'agl-run-v5'
        ? new Promise<string>((resolve) => {
            answerOld = (): void => resolve('old');
          })
        : 'new',
    );
    const old = client.chat.completions.create({ model: 'policy', messages });
    await until(() => server.calls.length === 1);
    gateway.publish('policy', {
      kind: 'openai',
      version: 6,
      baseUrl: server.baseUrl,
      model: 'agl-run-v6',
      apiKey: 'upstream-secret',
    });
    const drained = gateway.drained('policy', 5);
    expect((await client.chat.completions.create({ model: 'policy', messages })).choices[0]?.message.content).toBe(
      'new',
    );
    answerOld();
    expect((await old).choices[0]?.message.content).toBe('old');
    await drained;
    expect((await finish()).map((span) => span.attributes[names.policyVersion])).toEqual([6, 5]);
  });

  it.each<[string, ScriptedReply, RegExp]>([
    ['no token ids', { content: 'a', reportsTokens: false }, /no prompt token ids/u],
    [
      'fewer ids than log-probabilities',
      { content: 'a b c', rewrite: withoutOneId },
      /3 token ids but 4 log-probabilities/u,
    ],
    [
      'ids that are not what usage counts',
      { content: 'a b', usage: { completion_tokens: 2 } },
      /usage counts 2 completion tokens but there are 3/u,
    ],
    [
      'a prompt that is not what usage counts',
      { content: 'a b', usage: { prompt_tokens: 1 } },
      /usage counts 1 prompt tokens/u,
    ],
    ['no usage', { content: 'a', reportsUsage: false }, /no usage/u],
    ['a log-probability above 0', { content: 'a b', logprobs: [-1, 0.5, -1] }, /log-probability 1 of choice 0 is 0.5/u],
    [
      'a log-probability that no sampled token can have',
      { content: 'a b', logprobs: [-1, -9999, -1] },
      /log-probability 1 of choice 0 is -9999/u,
    ],
    ['an id that is none', { content: 'a b', tokenIds: [5, -7, 2] }, /response token id 1 is -7/u],
  ])('never trains on a reply with %s, says why and counts it', async (_name, reply, reason) => {
    const { client, gateway, finish } = await start([reply, reply]);
    await client.chat.completions.create({ model: 'policy', messages });
    for await (const _chunk of await client.chat.completions.create({ model: 'policy', messages, stream: true }));
    const spans = await finish();
    for (const span of spans) expect(span.attributes[names.untrainable]).toMatch(reason);
    expect(Object.values(gateway.statistics.untrainable)).toEqual([2]);
  });
});

/** As when a tool parser swallows a control token's id and leaves its log-probability. */
function withoutOneId(payload: Record<string, unknown>, index: number): Record<string, unknown> {
  const choices = payload['choices'] as { token_ids?: number[] }[];
  const [choice] = choices;
  if (choice?.token_ids === undefined || (payload['object'] === 'chat.completion.chunk' && index !== 1)) return payload;
  return { ...payload, choices: [{ ...choice, token_ids: choice.token_ids.slice(1) }] };
}

/** A span without what tells two calls apart. */
function comparable(span: Span): { attributes: Record<string, unknown>; tokens: unknown; status: unknown } {
  const {
    [names.requestStream]: _stream,
    [names.timeToFirstTokenMs]: _time,
    [names.promptSpan]: _first,
    ...attributes
  } = span.attributes;
  return { attributes, tokens: span.tokens, status: span.status };
}
