import { readFileSync } from 'node:fs';
import { attributeNames as names } from '@agent-lightning/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Exchanger, paths, type Exchange, type RecordedReply } from './exchange.ts';
import { payloadsOf, saidToAgent, saidUpstream, tokenIdsOf } from './said.ts';
import { scenarios } from './scenarios.ts';

const corpus: readonly Exchange[] = Object.keys(paths).flatMap((dialect) =>
  readFileSync(new URL(`../__fixtures__/corpus/${dialect}.jsonl`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Exchange),
);

const isOk = ({ upstream }: Exchange): boolean => upstream.status === 200;
const isTranslated = ({ dialect }: Exchange): boolean => dialect === 'responses' || dialect === 'messages';
const cases = (chosen: readonly Exchange[]): [string, Exchange][] =>
  chosen.map((exchange) => [`${exchange.dialect}: ${exchange.name}`, exchange]);

describe('the corpus', () => {
  it('holds every scenario of every dialect', () => {
    const label = ({ dialect, name }: { dialect: string; name: string }): string => `${dialect}: ${name}`;
    expect(corpus.map(label)).toEqual(
      scenarios
        .toSorted((a, b) => Object.keys(paths).indexOf(a.dialect) - Object.keys(paths).indexOf(b.dialect))
        .map(label),
    );
    expect(corpus.length).toBeGreaterThanOrEqual(60);
  });
});

describe.each([
  ['with the fast path', true],
  ['without it', false],
])('replayed through the gateway %s', (_label, fastPath) => {
  let exchanger: Exchanger;
  let upstream: RecordedReply;
  let asked: unknown;
  beforeAll(async () => {
    exchanger = await Exchanger.start((_request, body, response) => {
      asked = JSON.parse(body);
      response.writeHead(upstream.status, { 'content-type': upstream.type }).end(upstream.text);
    }, fastPath);
  });
  afterAll(() => exchanger.close());

  it.each(cases(corpus))('%s: asks, answers and captures as recorded', async (_label, exchange) => {
    ({ upstream } = exchange);
    const { agent, spans } = await exchanger.run(exchange.dialect, exchange.request);
    expect(asked).toEqual(exchange.asked);
    expect(agent).toEqual(exchange.agent);
    expect(spans).toEqual(exchange.spans);
  });

  it('counts what the fast path read', () => {
    const { hits, misses } = exchanger.fastPath;
    expect(hits > 0).toBe(fastPath);
    expect(misses).toBeGreaterThan(0);
  });
});

describe('what is recorded', () => {
  it.each(cases(corpus.filter((exchange) => isOk(exchange) && !isTranslated(exchange))))(
    '%s: is for the agent what the upstream sent, but for what only the gateway asked for',
    (_label, { upstream, agent }) => {
      expect(payloadsOf(agent)).toEqual(payloadsOf(upstream).map(withoutCapture).filter(hasChoices));
      expect(agent.text.endsWith('data: [DONE]\n\n')).toBe(upstream.text.endsWith('data: [DONE]\n\n'));
    },
  );

  it.each(cases(corpus.filter((exchange) => isOk(exchange) && isTranslated(exchange))))(
    '%s: says the same to the official client as the upstream said',
    async (_label, exchange) => {
      expect(await saidToAgent(exchange)).toEqual(saidUpstream(exchange.upstream));
    },
  );

  it.each(cases(corpus.filter(isOk)))('%s: has the upstream’s own ids', (_label, { upstream, spans }) => {
    expect(spans.map((span) => span.tokens?.response)).toEqual(tokenIdsOf(upstream));
    for (const { tokens } of spans) expect(tokens?.logprobs).toHaveLength(tokens?.response.length ?? -1);
  });

  it.each(cases(corpus.filter((exchange) => !isOk(exchange))))(
    '%s: is an error to the agent and in the span',
    async (_label, exchange) => {
      expect(exchange.agent.status).toBe(exchange.upstream.status === 500 ? 502 : exchange.upstream.status);
      expect(exchange.agent.text).toMatch(/too many|too long|out of memory/u);
      if (isTranslated(exchange))
        await expect(saidToAgent(exchange)).rejects.toMatchObject({ status: exchange.agent.status });
      for (const { attributes, tokens, status } of exchange.spans) {
        expect(status).toMatchObject({ code: 'error' });
        expect(attributes).toHaveProperty([names.untrainable]);
        expect(tokens).toBeNull();
      }
    },
  );

  it('is trainable, and says where structured output was asked for in the prompt', () => {
    const asksForForm = ({ request }: Exchange): boolean =>
      /"strict":true|"json_schema"/u.test(JSON.stringify(request));
    expect(new Set(corpus.filter(asksForForm).map(({ name }) => name.split(',')[0]))).toContain('structured');
    for (const exchange of corpus.filter(isOk))
      for (const { attributes } of exchange.spans)
        expect([exchange.name, attributes[names.untrainable], attributes[names.structuredOutput]]).toEqual([
          exchange.name,
          undefined,
          asksForForm(exchange) ? 'prompt' : undefined,
        ]);
  });

  it('is captured alike, streamed and not', () => {
    for (const exchange of corpus.filter((one) => isOk(one) && !one.name.endsWith(', streamed'))) {
      const streamed = corpus.find(
        (one) => one.dialect === exchange.dialect && one.name === `${exchange.name}, streamed`,
      );
      const comparable = (one: Exchange | undefined): unknown =>
        one?.spans.map((span) => ({ ...span, attributes: { ...span.attributes, [names.requestStream]: undefined } }));
      expect(comparable(streamed)).toEqual(comparable(exchange));
    }
  });
});

/** A payload without ids and log-probabilities, for none of these agents asked. */
function withoutCapture(payload: unknown): unknown {
  return JSON.parse(
    JSON.stringify(payload, (key, value: unknown) => {
      if (key === 'token_ids' || key === 'prompt_token_ids') return undefined;
      return key === 'logprobs' ? null : value;
    }),
  );
}

function hasChoices(payload: unknown): boolean {
  return (payload as { choices: readonly unknown[] }).choices.length > 0;
}
