import Anthropic from '@anthropic-ai/sdk';
import { attributeNames as names } from '@agent-lightning/core';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { connectGateway, Gateway, serve } from '../src/index.ts';
import { FakeEngine } from './fake-engine.ts';
import { clientFor, onStop, startHarness, stopAll } from './harness.ts';

afterEach(stopAll);

const messages = [{ role: 'user' as const, content: 'hi' }];
const engine = (text: string): FakeEngine => new FakeEngine({ answer: () => [{ pieces: [[text, 1]] }] });
const snapshot = (text: string) => ({ kind: 'engine' as const, version: 1, engine: engine(text) });

async function ask(client: OpenAI, model: string): Promise<string | null | undefined> {
  return (await client.chat.completions.create({ model, messages })).choices[0]?.message.content;
}

function anthropicFor(baseUrl: string, apiKey: string): Anthropic {
  return new Anthropic({ baseURL: baseUrl.replace(/\/v1(?=\/|$)/u, ''), apiKey, maxRetries: 0 });
}

describe('answersTo', () => {
  it('lets clients of OpenAI and Anthropic ask by the names in their code, and trains their calls', async () => {
    const { gateway, client, endpoint, finish } = await startHarness({ answersTo: ['gpt-4o-mini', /^claude-/] });
    gateway.publish('policy', snapshot('yes'));
    expect(await ask(client, 'gpt-4o-mini')).toBe('yes');
    expect((await client.responses.create({ model: 'gpt-4o-mini', input: 'hi' })).output_text).toBe('yes');
    const anthropic = anthropicFor(endpoint.baseUrl, endpoint.apiKey);
    const said = await anthropic.messages.create({ model: 'claude-sonnet-5', max_tokens: 9, messages });
    expect(said.content).toMatchObject([{ type: 'text', text: 'yes' }]);
    await expect(ask(client, 'gpt-4o')).rejects.toThrow(
      /the model "gpt-4o" does not exist; there are "policy"\. .* the option answersTo/u,
    );
    const spans = await finish();
    expect(spans.map(({ attributes }) => [attributes[names.requestModel], attributes[names.policy]])).toEqual([
      ['gpt-4o-mini', 'policy'],
      ['gpt-4o-mini', 'policy'],
      ['claude-sonnet-5', 'policy'],
    ]);
    for (const { attributes, tokens } of spans) {
      expect(attributes).not.toHaveProperty(names.untrainable);
      expect(tokens?.response.length).toBeGreaterThan(0);
    }
  });

  it('lists the names that are no patterns, and shows each that is answered, to both clients', async () => {
    const { gateway, client, endpoint } = await startHarness({ answersTo: ['gpt-4o-mini', /^openai\//] });
    expect((await client.models.list()).data).toEqual([]); // nothing is published that could answer
    gateway.publish('policy', snapshot('yes'));
    const listed = ['policy', 'gpt-4o-mini'];
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(listed);
    expect(await client.models.retrieve('openai/gpt-5')).toMatchObject({ id: 'openai/gpt-5', object: 'model' });
    await expect(client.models.retrieve('gpt-5')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    const anthropic = anthropicFor(endpoint.baseUrl, endpoint.apiKey);
    expect((await anthropic.models.list()).data.map(({ id, type }) => [id, type])).toEqual(
      listed.map((id) => [id, 'model']),
    );
    expect(await anthropic.models.retrieve('policy')).toMatchObject({ id: 'policy', display_name: 'policy' });
  });

  it('leaves a model that has the name to itself, and embeddings to who makes them', async () => {
    const { gateway, client } = await startHarness({ answersTo: [/./] });
    gateway.publish('policy', snapshot('yes'));
    gateway.publish('critic', snapshot('no'));
    expect([await ask(client, 'critic'), await ask(client, 'anything')]).toEqual(['no', 'yes']);
    await expect(client.embeddings.create({ model: 'text-embedding-3-small', input: 'x' })).rejects.toThrow(
      /"text-embedding-3-small" does not exist/u,
    );
    await expect(ask(client, 'x'.repeat(201))).rejects.toThrow(/does not exist/u); // no name: patterns may take long over it
  });

  it('is refused where it names no model', async () => {
    const { store } = await startHarness();
    await expect(Gateway.start({ store, answersTo: ['gpt-.*'] })).rejects.toThrow(/gateway: answersTo\[0\] "gpt-/u);
  });

  it('may be said of one attempt, in this process and from another', async () => {
    const adminKey = 'a'.repeat(32);
    const { gateway, client, claim, open } = await startHarness({ adminKey });
    gateway.publish('policy', snapshot('yes'));
    const other = await open();
    gateway.answerTo(claim, ['gpt-4o']);
    expect(await ask(client, 'gpt-4o')).toBe('yes');
    await expect(ask(other.client, 'gpt-4o')).rejects.toThrow(/does not exist/u);
    const remote = connectGateway({ url: gateway.url, adminKey });
    await remote.answerTo(other.claim, ['one', /^GPT-/i]);
    expect([await ask(other.client, 'one'), await ask(other.client, 'gpt-4o')]).toEqual(['yes', 'yes']);
    await expect(remote.answerTo(other.claim, ['a|b'])).rejects.toThrow(/"a\|b" is a text/u);
    await gateway.closeAttempt(other.claim);
    await expect(remote.answerTo(other.claim, ['one'])).rejects.toMatchObject({ code: 'attempt-unknown' });
    const path = `${gateway.url}/admin/attempts/${claim.attempt.rolloutId}/${claim.attempt.attemptId}/answers-to`;
    for (const [body, param] of [
      [{}, 'names'],
      [{ names: [''] }, 'names[0]'],
      [{ names: ['a', { source: '(' }] }, 'names[1]'],
    ] as const) {
      const headers = { 'x-api-key': adminKey, 'content-type': 'application/json' };
      const reply = await fetch(path, { method: 'POST', body: JSON.stringify(body), headers });
      expect([reply.status, await reply.json()]).toMatchObject([400, { error: { param } }]);
    }
  });

  it('holds for a plain endpoint too', async () => {
    const served = await serve({ snapshot: snapshot('yes'), model: 'mine', answersTo: ['gpt-4o', /mini/] });
    onStop(() => served.close());
    const client = new OpenAI({ baseURL: served.baseUrl, apiKey: served.apiKey, maxRetries: 0 });
    expect([await ask(client, 'mine'), await ask(client, 'gpt-4o'), await ask(client, 'gpt-4o-mini')]).toEqual([
      'yes',
      'yes',
      'yes',
    ]);
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['mine', 'gpt-4o']);
    await expect(ask(client, 'o3')).rejects.toThrow(/"o3" does not exist/u);
  });
});

describe('a caller without an adapter', () => {
  const policies = [
    { policy: 'writer', agentMatch: 'writer' },
    { policy: 'planner', agentMatch: /^plan/ },
  ];

  async function startTwo() {
    const harness = await startHarness({ answersTo: [/./] });
    harness.gateway.publish('writer', snapshot('written'));
    harness.gateway.publish('planner', snapshot('planned'));
    harness.gateway.route({ policies });
    return harness;
  }

  it('is told apart by its path, with or without /v1 before and after it, by both clients', async () => {
    const { endpoint, finish } = await startTwo();
    const root = endpoint.baseUrl.replace(/\/v1$/u, '');
    const { apiKey } = endpoint;
    for (const baseUrl of [
      `${root}/agents/writer/v1`,
      `${root}/v1/agents/writer`,
      `${root}/agents/writer`,
      `${root}/v1/agents/writer/v1`,
    ]) {
      const client = clientFor({ ...endpoint, baseUrl });
      expect(await ask(client, 'gpt-4o')).toBe('written');
      expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['policy', 'writer', 'planner']);
    }
    const planner = anthropicFor(`${root}/agents/plan%20%2F%20research`, apiKey);
    const said = await planner.messages.create({ model: 'claude-sonnet-5', max_tokens: 9, messages });
    expect(said.content).toMatchObject([{ text: 'planned' }]);
    const spans = await finish();
    expect(spans.map(({ attributes }) => attributes[names.agentNames])).toEqual([
      ...Array(4).fill(['writer']),
      ['plan / research'],
    ]);
  });

  it('is told apart by a plain header, and a name in the path comes before it', async () => {
    const { client, endpoint, finish } = await startTwo();
    const named = (agent: string) => client.withOptions({ defaultHeaders: { 'x-lightning-agent': agent } });
    expect(await ask(named('planner: 2'), 'gpt-4o')).toBe('planned');
    expect(await ask(named('planner').withOptions({ baseURL: `${endpoint.baseUrl}/agents/writer` }), 'gpt-4o')).toBe(
      'written',
    );
    const spans = await finish();
    expect(spans.map(({ attributes }) => attributes[names.agentNames])).toEqual([
      ['planner: 2'],
      ['writer', 'planner'],
    ]);
  });

  it('is told apart by the name of the model that it asks for, where nothing else names it', async () => {
    const { client, finish } = await startTwo();
    expect(await ask(client, 'planning-model')).toBe('planned');
    await expect(ask(client, 'gpt-4o')).rejects.toThrow(/no policy answers \["gpt-4o"\]/u);
    await expect(ask(client, 'policy')).rejects.toThrow(/no policy answers a caller without a name/u);
    expect((await finish()).map(({ attributes }) => attributes[names.agentNames])).toEqual([['planning-model']]);
  });
});
