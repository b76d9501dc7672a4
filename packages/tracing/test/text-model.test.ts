import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attributeNames } from '@agent-lightning/core';
import { toAskModel } from '../src/index.ts';
import { startRollout } from './test-rollout.ts';

type Answer = (response: ServerResponse) => void;

const requests: { readonly url: string | undefined; readonly key: string | undefined; readonly body: unknown }[] = [];
let answers: Answer[] = [];
let baseUrl = '';

async function answerNext(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const piece of request) body += String(piece);
  requests.push({ url: request.url, key: request.headers.authorization, body: JSON.parse(body) });
  answers.shift()!(response);
}

const server = createServer((request, response) => void answerNext(request, response));

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`;
});
afterAll(() => server.close());
beforeEach(() => {
  requests.length = 0;
  answers = [];
});

const say =
  (content: unknown): Answer =>
  (response) =>
    response.end(JSON.stringify({ choices: [{ message: { content } }] }));
const sayCached: Answer = (response) =>
  response.end(
    JSON.stringify({
      choices: [{ message: { content: 'yes' } }],
      usage: { prompt_tokens: 9, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 4 } },
    }),
  );
const fail =
  (status: number, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, headers).end('overloaded');

const apiKey = 'sk-canary/17';
const asItIs = (thrown: unknown): unknown => thrown;

describe('a model that is asked for a text', () => {
  it('is asked in the chat dialect', async () => {
    answers = [say('a better prompt')];
    const ask = toAskModel('reflection', { baseUrl, model: 'm', apiKey: 'secret', temperature: 0, maxTokens: 9 });
    expect(await ask('improve')).toBe('a better prompt');
    const body = { model: 'm', messages: [{ role: 'user', content: 'improve' }], temperature: 0, max_tokens: 9 };
    expect(requests).toEqual([{ url: '/v1/chat/completions', key: 'Bearer secret', body }]);
  });

  it('is waited for no longer than the signal lets', async () => {
    const ending = new AbortController();
    answers = [];
    const ask = toAskModel('reflection', { baseUrl, model: 'm' });
    ending.abort();
    await expect(ask('improve', ending.signal)).rejects.toMatchObject({ code: 'cancelled' });
    expect(requests).toEqual([]);
  });

  it('leaves what it used in the trace of a rollout, cached tokens among it', async () => {
    answers = [sayCached];
    const rollout = await startRollout();
    await rollout.run(() => toAskModel('judge: model', { baseUrl, model: 'm' }, { part: 'judge' })('prompt'));
    const [span] = await rollout.spans('model_call');
    expect(span?.attributes).toMatchObject({
      [attributeNames.inputTokens]: 9,
      [attributeNames.outputTokens]: 1,
      [attributeNames.cachedTokens]: 4,
    });
  });

  it('is asked again when it is busy, after the wait that it asks for', async () => {
    answers = [fail(429, { 'retry-after': '7' }), fail(503), say('at last')];
    const waits: number[] = [];
    const wait = async (milliseconds: number): Promise<void> => void waits.push(milliseconds);
    expect(await toAskModel('reflection', { baseUrl, model: 'm' }, { wait })('improve')).toBe('at last');
    expect(waits).toEqual([7_000, 4_000]);
  });

  it.each([
    ['stays broken', [fail(500), fail(500), fail(500)], 'upstream-failed', /answered 500: overloaded/],
    ['rejects the request', [fail(401)], 'upstream-rejected', /the model m at .* answered 401/],
    ['answers nothing', [say(null)], 'upstream-malformed', /without choices\[0\]/],
    ['gives a part', [(response: ServerResponse) => say('a pa')(response.writeHead(206))], 'upstream-malformed', /206/],
    ['accepts, and gives nothing', [fail(202)], 'upstream-malformed', /the model m at .* answered 202: overloaded/],
    ['answers garbage', [(response: ServerResponse) => response.end('<html>')], 'upstream-malformed', /<html>/],
  ])('that %s is named', async (_, given, code, message) => {
    answers = [...given];
    const ask = toAskModel('reflection', { baseUrl, model: 'm', apiKey: 'secret' }, { wait: async () => {} });
    const error: unknown = await ask('improve').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(String(error)).not.toContain('secret');
    expect(answers).toEqual([]);
  });

  it.each([
    ['as it is', 401, `bad key ${apiKey}`],
    ['escaped', 401, `bad key ${apiKey.replaceAll('/', '\\/')}`],
    ['where the message is cut', 401, `${'x'.repeat(495)}${apiKey}`],
    ['without an answer', 200, `{"error":"${apiKey}"}`],
  ])('that repeats its key shows it to nobody: %s', async (_, status, body) => {
    answers = [(response) => response.writeHead(status).end(body)];
    const error: unknown = await toAskModel('judge: model', { baseUrl, model: 'm', apiKey })('x').catch(asItIs);
    expect(String(error)).toContain('[key]');
    expect(inspect(error)).not.toContain('sk-');
  });

  it('that cannot be reached is named', async () => {
    const ask = toAskModel('reflection', { baseUrl: 'http://127.0.0.1:1/v1', model: 'm' }, { wait: async () => {} });
    await expect(ask('improve')).rejects.toMatchObject({ code: 'upstream-failed', retryable: true });
  });

  it('is not asked any longer than the rollout lasts, nor again', async () => {
    const { run, abort } = await startRollout();
    answers = [() => abort(new Error('the attempt timed out')), say('too late')];
    const ask = toAskModel('judge.model', { baseUrl, model: 'm' }, { wait: async () => {} });
    await expect(run(() => ask('score'))).rejects.toMatchObject({
      code: 'cancelled',
      message: expect.stringMatching(/the model m at .* was not waited for: the rollout that asks it has ended/),
    });
    expect(requests).toHaveLength(1);
    await expect(run(() => ask('score'))).rejects.toMatchObject({ code: 'cancelled' });
    expect(requests).toHaveLength(1);
  });

  it('may be a function', async () => {
    expect(await toAskModel('reflection', async (prompt) => `${prompt}!`)('improve')).toBe('improve!');
    const ask = toAskModel('reflection', (async () => ({ answer: 'x' })) as never);
    await expect(ask('improve')).rejects.toThrow(/a function that returns a promise of a text/);
  });

  it.each([
    [{ baseUrl: 'api.openai.com', model: 'm' }, /reflection\.baseUrl must be a URL such as/],
    [{ baseUrl: 'http://x/v1', model: '' }, /reflection\.model must be the name of a model/],
    [{ baseUrl: 'http://x/v1', model: 'm', key: 'x' }, /reflection has no option "key"/],
    [{ baseUrl: 'http://me:SECRET@x/v1', model: 'm' }, /reflection\.baseUrl must be a URL without .*apiKey/],
    [{ baseUrl: 'http://SECRET@x/v1', model: 'm' }, /reflection\.baseUrl must be a URL without .*apiKey/],
    [{ baseUrl: 'me:SECRET@x/v1', model: 'm' }, /reflection\.baseUrl must be a URL such as/],
    [
      { baseUrl: 'http://x/v1', model: 'm', apiKey: 'part\nSECRET' },
      /reflection\.apiKey must be .* its value is not shown/,
    ],
    [{ baseUrl: 'http://x/v1', model: 'm', apiKey: 'SECRET ' }, /reflection\.apiKey must be .* its value is not shown/],
    [{ baseUrl: 'http://x/v1', model: 'm', apiKey: '' }, /reflection\.apiKey must be/],
    [{ baseUrl: 'http://x/v1', model: 'm', apiKey: 'SECRÉT' }, /reflection\.apiKey must be .* its value is not shown/],
  ])('refuses %j', (model, message) => {
    const make = (): unknown => toAskModel('reflection', model as never);
    expect(make).toThrow(message);
    expect(make).not.toThrow(/SECR/);
  });
});
