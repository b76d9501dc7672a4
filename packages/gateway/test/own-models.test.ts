import { readFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import { attributeNames as names, type Span } from '@agent-lightning/core';
import { replacePrompts } from '@agent-lightning/tracing';
import fc from 'fast-check';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { Gateway } from '../src/index.ts';
import type { Exchange } from './corpus/exchange.ts';
import { paths } from './corpus/exchange.ts';
import { stopAll, until } from './harness.ts';
import { ownKey, post, sendJson, startOwnGateway } from './own-upstream.ts';

afterEach(stopAll);

type Prompt = Parameters<typeof replacePrompts>[2][number]['prompt'];
const brief: Prompt = { name: 'agent/system', kind: 'system', text: 'Be brief.', slots: [] };
const sql: Prompt = { name: 'tool', kind: 'tool', tool: 'run_sql', text: 'Runs a query.', slots: [] };
const asking: Prompt = { name: 'ask', kind: 'beginning', text: 'How many ', slots: [] };
const found = [brief, sql, asking];
const texts = { 'agent/system': 'Sé "breve".\n', tool: 'Asks 六 rows.', ask: 'Tell how many ' };

const corpus = Object.keys(paths).flatMap((dialect) =>
  readFileSync(new URL(`__fixtures__/corpus/${dialect}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Exchange),
);
const routeOf = ({ dialect }: Exchange) => paths[dialect].slice(1) as Parameters<typeof replacePrompts>[0];

function chat(system: string, more: object = {}): string {
  return JSON.stringify({ model: 'own', messages: [{ role: 'system', content: system }], ...more });
}

interface Reply {
  readonly choices: readonly [
    { readonly message?: { readonly content: string }; readonly delta?: { readonly content: string } },
  ];
}

function readContent(text: string): string | undefined {
  return (JSON.parse(text) as Reply).choices[0].message?.content;
}

function joinPieces(text: string): string {
  const events = [...text.matchAll(/^data: (\{.*)$/gmu)].map(([, data]) => JSON.parse(data!) as Reply);
  return events.map(({ choices }) => choices[0].delta?.content).join('');
}

function said(spans: readonly Span[]): unknown {
  return spans
    .filter(({ kind }) => kind === 'model_call')
    .map(({ attributes }) => JSON.parse(String(attributes[names.outputMessages])) as unknown);
}

const reply = (content: string) => ({
  id: 'c1',
  model: 'own-1',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
});

describe('calls that are handed on to the agents’ own models', () => {
  it('change in the prompts and in no other byte, in every dialect of the corpus, and so does no byte of the replies', async () => {
    let current = corpus[0]!;
    const { open, received, finish } = await startOwnGateway((_, response) => {
      const { status, type, text } = current.agent;
      response.writeHead(status, { 'content-type': type, 'x-own': 'kept' }).end(text);
    });
    let changed = 0;
    for (current of corpus) {
      const { claim, endpoint } = await open(found, texts);
      const body = ` ${JSON.stringify(current.request, undefined, 1)}\n`;
      const replacements = found.map((prompt) => ({ prompt, text: texts[prompt.name as keyof typeof texts] }));
      const expected = replacePrompts(routeOf(current), body, replacements);
      changed += expected.body === body ? 0 : 1;
      const answer = await post(endpoint, paths[current.dialect], body);
      expect([current.dialect, current.name, await answer.text()]).toEqual([
        current.dialect,
        current.name,
        current.agent.text,
      ]);
      expect([answer.status, answer.headers.get('x-own')]).toEqual([current.agent.status, 'kept']);
      expect(received.at(-1)!.body).toBe(expected.body);
      const spans = await finish(claim);
      expect(spans.find(({ kind }) => kind === 'object')?.attributes[names.promptName]).toEqual(expected.replaced);
      const call = spans.find(({ kind }) => kind === 'model_call')!;
      expect([call.status.code, call.attributes[names.dialect]]).toEqual([
        current.agent.status === 200 ? 'ok' : 'error',
        current.dialect,
      ]);
    }
    expect(changed).toBeGreaterThan(40);
  });

  it('are traced with what was said and used, the same streamed and not', async () => {
    let current = corpus[0]!;
    const { open, finish } = await startOwnGateway((_, response) => {
      const { status, type, text } = current.agent;
      response.writeHead(status, { 'content-type': type }).end(text);
    });
    const kept = new Map<string, unknown>();
    const plain = corpus.filter(({ agent, name }) => agent.status === 200 && !name.startsWith('choices'));
    for (current of plain) {
      const { claim, endpoint } = await open();
      await (await post(endpoint, paths[current.dialect], JSON.stringify(current.request))).text();
      const spans = await finish(claim);
      const { attributes } = spans.find(({ kind }) => kind === 'model_call')!;
      kept.set(`${current.dialect} ${current.name}`, said(spans));
      const [gateways] = current.spans;
      expect([current.name, attributes[names.responseModel]]).toEqual([current.name, expect.any(String)]);
      // A stream of chat tells its usage only to an agent that asks for it.
      const isSilent = current.name.endsWith(', streamed') && ['chat', 'completions'].includes(current.dialect);
      if (!isSilent)
        expect([current.dialect, current.name, attributes[names.inputTokens], attributes[names.outputTokens]]).toEqual([
          current.dialect,
          current.name,
          gateways!.attributes[names.inputTokens],
          gateways!.attributes[names.outputTokens],
        ]);
    }
    for (const [label, message] of kept)
      if (kept.has(`${label}, streamed`)) expect([label, kept.get(`${label}, streamed`)]).toEqual([label, message]);
  });

  it('tell the tokens that were read from a cache, as each maker reports them', async () => {
    const chatUsage = { prompt_tokens: 10, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 8 } };
    const inputUsage = { input_tokens: 10, output_tokens: 2, input_tokens_details: { cached_tokens: 8 } };
    const messageUsage = { input_tokens: 1, cache_read_input_tokens: 8, cache_creation_input_tokens: 1 };
    const start = {
      type: 'message_start',
      message: { id: 'm', model: 'own-1', usage: { ...messageUsage, output_tokens: 1 } },
    };
    const delta = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } };
    const output = [{ type: 'message', content: [{ type: 'output_text', text: 'Six.' }] }];
    const replies: Readonly<Record<string, unknown>> = {
      '/chat/completions': { ...reply('Six.'), usage: chatUsage },
      '/completions': { choices: [{ index: 0, text: 'Six.', finish_reason: 'stop' }], usage: chatUsage },
      '/responses': { id: 'r', model: 'own-1', status: 'completed', output, usage: inputUsage },
      '/messages': { content: [{ type: 'text', text: 'Six.' }], usage: { ...messageUsage, output_tokens: 2 } },
      '/messages?beta=true': [start, delta],
    };
    const { open, finish } = await startOwnGateway(({ url }, response) => {
      const payload = replies[url!.slice('/v1'.length)];
      if (!Array.isArray(payload)) return sendJson(response, payload);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return void response.end(payload.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''));
    });
    for (const path of Object.keys(replies)) {
      const { claim, endpoint } = await open();
      await (
        await post(endpoint, path, JSON.stringify({ model: 'own', prompt: 'How many?', messages: [], input: [] }))
      ).text();
      const { attributes } = (await finish(claim)).find(({ kind }) => kind === 'model_call')!;
      const figures = [names.inputTokens, names.cachedTokens, names.outputTokens].map((name) => attributes[name]);
      expect([path, ...figures]).toEqual([path, 10, 8, 2]);
    }
  });

  it('never mix, whatever candidates run at once, streamed or not', async () => {
    const { open, received, finish } = await startOwnGateway(({ body }, response) => {
      const { stream, messages } = JSON.parse(body) as { stream?: boolean; messages: { content: string }[] };
      const content = messages[0]!.content;
      if (stream !== true) return sendJson(response, reply(content));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const piece of [content.slice(0, 3), content.slice(3)])
        response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: piece } }] })}\n\n`);
      response.end('data: [DONE]\n\n');
      return undefined;
    });
    const name = fc.stringMatching(/^[a-z]{1,8}$/u);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { minLength: 2, maxLength: 6 }),
        fc.array(fc.tuple(fc.nat(5), fc.boolean()), { minLength: 4, maxLength: 20 }),
        async (candidates, calls) => {
          received.length = 0;
          const attempts = await Promise.all(
            candidates.map((text) => open([brief], { 'agent/system': `Be ${text}.` }, `candidate-${text}`)),
          );
          const answers = await Promise.all(
            calls.map(async ([index, stream]) => {
              const which = index % candidates.length;
              const answer = await post(attempts[which]!.endpoint, '/chat/completions', chat('Be brief.', { stream }));
              return { which, text: await answer.text(), stream };
            }),
          );
          for (const { which, text, stream } of answers)
            expect(stream ? joinPieces(text) : readContent(text)).toBe(`Be ${candidates[which]!}.`);
          for (const [which, { claim }] of attempts.entries()) {
            const mine = calls.filter(([index]) => index % candidates.length === which).length;
            const messages = said(await finish(claim)) as { content: string }[][];
            expect(messages.map(([message]) => message!.content)).toEqual(
              Array.from({ length: mine }, () => `Be ${candidates[which]!}.`),
            );
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('carry the server’s key and not the attempt’s, and nothing keeps or repeats it', async () => {
    const { open, received, finish, logged } = await startOwnGateway(({ headers }, response) => {
      response.writeHead(401, { 'content-type': 'application/json', 'x-echo': String(headers.authorization) });
      response.end(JSON.stringify({ error: { message: `Incorrect API key ${ownKey}`, code: 'invalid_api_key' } }));
    });
    const { claim, endpoint } = await open([brief], texts);
    const headers = { 'x-title': 'my app', cookie: 'a=b', 'x-lightning-agent': '%5B%22write%22%5D' };
    const answer = await post(endpoint, '/chat/completions', chat('Be brief.'), headers);
    expect([answer.status, await answer.json()]).toEqual([
      401,
      { error: { message: 'Incorrect API key [key]', code: 'invalid_api_key' } },
    ]);
    expect(answer.headers.get('x-echo')).toBe('Bearer [key]');
    const sent = received[0]!.headers;
    expect([sent.authorization, sent['x-title'], sent.cookie, sent['x-lightning-agent']]).toEqual([
      `Bearer ${ownKey}`,
      'my app',
      undefined,
      undefined,
    ]);
    const kept = JSON.stringify([await finish(claim), logged]);
    expect(kept).toContain('Incorrect API key [key]');
    expect([kept.includes(ownKey), kept.includes(endpoint.apiKey)]).toEqual([false, false]);
  });

  it('of agents by name get the texts of that agent', async () => {
    const { open, received } = await startOwnGateway((_, response) => sendJson(response, reply('Yes.')));
    const { endpoint } = await open([{ ...brief, agent: 'write' }], texts);
    for (const agent of ['write', 'check'])
      await post(endpoint, '/chat/completions', chat('Be brief.'), {
        'x-lightning-agent': encodeURIComponent(JSON.stringify([agent])),
      });
    // A program without an adapter names its agent in its base URL.
    await post(endpoint, '/agents/write/chat/completions', chat('Be brief.'));
    const systems = received.map(({ body }) => (JSON.parse(body) as { messages: { content: string }[] }).messages[0]);
    expect(systems.map((message) => message?.content)).toEqual(['Sé "breve".\n', 'Be brief.', 'Sé "breve".\n']);
  });

  it('go to the maker of their dialect, with their query; what opens more than models stays closed', async () => {
    const { received, openWith } = await startOwnGateway((_, response) => sendJson(response, { data: [] }));
    const { endpoint } = await openWith();
    const { baseUrl, apiKey } = endpoint;
    await post(endpoint, '/messages?beta=true', JSON.stringify({ model: 'm', messages: [] }));
    await post(endpoint, '/messages/count_tokens', JSON.stringify({ model: 'm', messages: [] }));
    await post(endpoint, '/embeddings', JSON.stringify({ model: 'm', input: 'x' }));
    await fetch(`${baseUrl}/models/own-1`, { headers: { authorization: `Bearer ${apiKey}` } });
    expect(received.map(({ method, url, headers }) => [method, url, headers.authorization ?? 'no bearer'])).toEqual([
      ['POST', '/v1/messages?beta=true', 'no bearer'],
      ['POST', '/v1/messages/count_tokens', 'no bearer'],
      ['POST', '/v1/embeddings', `Bearer ${ownKey}`],
      ['GET', '/v1/models/own-1', `Bearer ${ownKey}`],
    ]);
    expect(received[0]!.headers['x-api-key']).toBe(ownKey);
    for (const path of ['/files', '/organization/admin_api_keys', '/models/../files'])
      expect([path, (await post(endpoint, path, '{}')).status]).toEqual([path, 404]);
    const only = await startOwnGateway((_, response) => sendJson(response, {}), {
      ownModels: { openai: { baseUrl: 'http://127.0.0.1:9/v1' } },
    });
    const { endpoint: other } = await only.openWith();
    const refused = await post(other, '/messages', JSON.stringify({ model: 'm', messages: [] }));
    expect([refused.status, await refused.text()]).toEqual([
      404,
      expect.stringContaining('ownModels: { anthropic: {} }'),
    ]);
    expect(received).toHaveLength(4);
  });

  it('pass errors on as they are, and break off where their server does', async () => {
    const { open, finish } = await startOwnGateway(({ body }, response) => {
      if (body.includes('busy')) {
        response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '7' });
        return void response.end('{"error":{"message":"slow down"}}');
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'Si' } }] })}\n\n`);
      setImmediate(() => response.destroy());
      return undefined;
    });
    const { claim, endpoint } = await open();
    const busy = await post(endpoint, '/chat/completions', chat('busy'));
    expect([busy.status, busy.headers.get('retry-after'), await busy.text()]).toEqual([
      429,
      '7',
      '{"error":{"message":"slow down"}}',
    ]);
    const cut = await post(endpoint, '/chat/completions', chat('cut', { stream: true }));
    await expect(cut.text()).rejects.toThrow();
    const spans = (await finish(claim)).filter(({ kind }) => kind === 'model_call');
    expect(spans.map(({ attributes }) => attributes[names.incomplete])).toEqual([undefined, true]);
    expect(spans.map(({ attributes }) => attributes[names.outage])).toEqual([undefined, true]);
  });

  it('tell in their dialect that a server is away, which is an outage', async () => {
    const { openWith, finish } = await startOwnGateway(() => undefined, {
      ownModels: { anthropic: { baseUrl: 'http://127.0.0.1:9' } },
    });
    const { claim, endpoint } = await openWith();
    const away = await post(endpoint, '/messages', JSON.stringify({ model: 'm', messages: [] }));
    expect([away.status, await away.json()]).toEqual([
      502,
      expect.objectContaining({
        type: 'error',
        error: expect.objectContaining({ message: expect.stringContaining('ECONNREFUSED') as string }) as object,
      }),
    ]);
    const [span] = await finish(claim);
    expect(span?.attributes[names.outage]).toBe(true);
  });

  it('end with their attempt, and so does the work of their server', async () => {
    let isGone = false;
    const { openWith, gateway, received } = await startOwnGateway((_, response) => {
      response.on('close', () => {
        isGone = true;
      });
    });
    const { claim, endpoint } = await openWith();
    const call = post(endpoint, '/chat/completions', chat('Wait.'));
    await until(() => received.length === 1);
    await gateway.closeAttempt(claim);
    expect((await call).status).toBe(499);
    await until(() => isGone);
    expect((await post(endpoint, '/chat/completions', chat('Again.'))).status).toBe(403);
  });

  it('come from the official clients', async () => {
    const { open, received } = await startOwnGateway(({ url, body }, response) => {
      const { stream } = JSON.parse(body) as { stream?: boolean };
      const dialect = url!.startsWith('/v1/messages') ? 'messages' : url!.endsWith('responses') ? 'responses' : 'chat';
      const { agent } = corpus.find(
        (one) => one.dialect === dialect && one.name === `plain${stream ? ', streamed' : ''}`,
      )!;
      response.writeHead(200, { 'content-type': agent.type }).end(agent.text);
    });
    const { endpoint } = await open([brief], texts);
    const openai = new OpenAI({ baseURL: endpoint.baseUrl, apiKey: endpoint.apiKey, maxRetries: 0 });
    const anthropic = new Anthropic({
      baseURL: endpoint.baseUrl.replace(/\/v1$/u, ''),
      apiKey: endpoint.apiKey,
      maxRetries: 0,
    });
    const messages = [
      { role: 'system' as const, content: 'Be brief.' },
      { role: 'user' as const, content: 'How many?' },
    ];
    const answer = 'There are six singers.';
    const streamed = await openai.chat.completions.create({ model: 'own', messages, stream: true });
    let text = '';
    for await (const chunk of streamed) text += chunk.choices[0]?.delta.content ?? '';
    const response = await openai.responses.create({ model: 'own', instructions: 'Be brief.', input: 'How many?' });
    const question = [{ role: 'user' as const, content: 'How many?' }];
    const ask = { model: 'own', max_tokens: 50, system: 'Be brief.', messages: question };
    const message = await anthropic.messages.stream(ask).finalText();
    expect([text, response.output_text, message]).toEqual([answer, answer, answer]);
    expect(received.map(({ body }) => body.includes('Sé \\"breve\\".'))).toEqual([true, true, true]);
  });

  it('need a server, a key where the maker’s own is asked, and a store that has texts', async () => {
    const { store } = await startOwnGateway(() => undefined);
    const start = (ownModels: object) => Gateway.start({ store, ownModels });
    const saved = { ...process.env };
    delete process.env['OPENAI_API_KEY'];
    delete process.env['OPENAI_BASE_URL'];
    try {
      await expect(start({})).rejects.toThrow('the servers that the agents ask today');
      await expect(start({ openai: {} })).rejects.toThrow('OPENAI_API_KEY');
      await expect(start({ openai: { baseUrl: 'ftp://x' } })).rejects.toThrow('an http or https address');
      await expect(start({ google: {} })).rejects.toMatchObject({ code: 'option-invalid' });
      const { appendSpans } = store;
      await expect(Gateway.start({ store: { appendSpans }, ownModels: { openai: {} } })).rejects.toThrow(
        'getResources',
      );
    } finally {
      Object.assign(process.env, saved);
    }
  });
});
