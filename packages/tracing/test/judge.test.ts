import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { attributeNames } from '@agent-lightning/core';
import { afterEach, describe, expect, it } from 'vitest';
import { installFetchRedirect, judge, measureAgreement, runInSpan, type Judgement } from '../src/index.ts';
import { startRollout } from './test-rollout.ts';

const rubric = 'Short answers are good.';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Starts a model server that answers one text, and leaves the first `unanswered` requests without an answer. */
async function startModel(content: string, unanswered = 0) {
  let requests = 0;
  const server = createServer((_, response) => {
    requests += 1;
    server.emit('asked');
    if (requests > unanswered) response.end(JSON.stringify({ choices: [{ message: { content } }] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return { baseUrl, asked: () => once(server, 'asked'), count: () => requests };
}

const silent = async (): Promise<string> => '';

describe('a judge', () => {
  it('scores an answer, and says why', async () => {
    const requests: string[] = [];
    const rate = judge({
      rubric,
      model: async (request) => {
        requests.push(request);
        return 'I first thought <score>2</score>, but it is short.\n<score> 7.5 </score>';
      },
    });
    const judgement = await rate({ task: { question: 'Capital?' }, answer: 'Paris', reference: 'Paris.' });
    expect(judgement).toEqual({ score: 0.75, feedback: 'I first thought <score>2</score>, but it is short.' });
    for (const part of [rubric, '{"question":"Capital?"}', '<answer>\nParis\n</answer>', '<reference>\nParis.'])
      expect(requests[0]).toContain(part);
  });

  it('scores equal answers once, also those that are asked for at once', async () => {
    const rate = judge({ rubric, model: async () => '<score>5</score>' });
    const ask = (answer: string): Promise<Judgement | undefined> => rate({ task: 'a', answer });
    await Promise.all([ask('x'), ask('x'), ask('y')]);
    await ask('x');
    expect(rate.statistics).toEqual({ asked: 2, repeated: 2, failed: 0 });
  });

  it.each([
    ['says no score', 'good'],
    ['says more than 10', '<score>11</score>'],
    ['says less than 0', '<score>-1</score>'],
  ])('that %s is asked again, then gives no reward', async (_, answer) => {
    const rate = judge({ rubric, model: async () => answer });
    expect(await rate({ task: 'a', answer: 'x' })).toBeUndefined();
    expect(rate.statistics).toEqual({ asked: 2, repeated: 0, failed: 1 });
  });

  it('that is down gives no reward, is asked again for the next one, and says so in the trace', async () => {
    const answers = [new Error('quota exceeded'), 'Good. <score>10</score>'];
    const rate = judge({
      rubric,
      name: 'style',
      model: async (): Promise<string> => {
        const next = answers.shift()!;
        if (next instanceof Error) throw next;
        return next;
      },
    });
    const { run, spans } = await startRollout();
    expect(await run(() => rate({ task: 'a', answer: 'x' }))).toBeUndefined();
    expect(await run(() => rate({ task: 'a', answer: 'x' }))).toEqual({ score: 1, feedback: 'Good.' });
    expect(await spans('message')).toMatchObject([
      { attributes: { [attributeNames.messageBody]: 'style gave no score: quota exceeded' } },
    ]);
    expect((await spans('operation')).map(({ name, status }) => [name, status.code])).toEqual([
      ['style', 'ok'],
      ['style', 'ok'],
    ]);
  });

  it('whose server repeats the key it was given shows it to nobody', async () => {
    const server = createServer((request, response) => {
      response.writeHead(401).end(JSON.stringify({ error: { message: `bad key: ${request.headers.authorization}` } }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const rate = judge({ rubric, model: { baseUrl, model: 'm', apiKey: 'sk-canary' } });
    const { run, spans } = await startRollout();
    expect(await run(() => rate({ task: 'a', answer: 'x' }))).toBeUndefined();
    const written = JSON.stringify([await spans('message'), await spans('operation')]);
    expect(written).toContain('bad key: Bearer [key]');
    expect(written).not.toContain('canary');
  });

  it('inside a wrapped agent asks its own model, never the policy', async () => {
    const [policy, own] = [await startModel('<score>10</score>'), await startModel('Long. <score>1</score>')];
    cleanups.push(installFetchRedirect());
    const { run, scope, spans } = await startRollout({ baseUrl: policy.baseUrl });
    const rate = judge({ rubric, model: { baseUrl: own.baseUrl, model: 'j' } });
    const agent = { names: ['writer'], wrappers: [{}] };
    const span = { attemptId: scope.attempt.attemptId, spanId: '00000000000000aa', agent };
    const judgement = await run(() => runInSpan(span, () => rate({ task: 'a', answer: 'x' })));
    expect(judgement).toEqual({ score: 0.1, feedback: 'Long.' });
    expect([policy.count(), own.count()]).toEqual([0, 1]);
    expect(await spans('operation')).toMatchObject([
      { parentSpanId: span.spanId, attributes: { [attributeNames.isJudge]: true } },
    ]);
  });

  it('is asked again for a rollout that waits, where the rollout that asked has ended', async () => {
    const [first, second] = [await startRollout(), await startRollout()];
    const { baseUrl, asked } = await startModel('<score>5</score>', 1);
    const rate = judge({ rubric, model: { baseUrl, model: 'j' } });
    const arrival = asked();
    const scores = [first, second].map(({ run }) => run(() => rate({ task: 'a', answer: 'x' })));
    await arrival;
    first.abort();
    expect(await Promise.all(scores)).toEqual([undefined, { score: 0.5, feedback: '' }]);
    expect(rate.statistics).toEqual({ asked: 2, repeated: 0, failed: 1 });
  });

  it.each([
    [{ rubric: ' ', model: silent }, /judge\.rubric must be a text that says what makes an answer good/],
    [{ rubric, model: {} }, /judge\.model\.baseUrl/],
    [{ rubric, model: silent, rubrics: 1 }, /judge has no option "rubrics"; did you mean "rubric"/],
  ])('refuses %o', (options, message) => {
    expect(() => judge(options as never)).toThrow(message);
  });
});

describe('the agreement of a judge with labels', () => {
  const scores: Readonly<Record<string, number>> = { a: 2, b: 8, c: 8, d: 1 };
  const rate = judge({
    rubric,
    model: async (request) => {
      const [, answer] = /<answer>\n(.)\n/.exec(request)!;
      return `<score>${scores[answer!] ?? 'none'}</score>`;
    },
  });
  const label = (answer: string, value: number): { task: string; answer: string; label: number } => ({
    task: 't',
    answer,
    label: value,
  });

  it('counts pairs that are in order, by hand', async () => {
    // a<b right, a<c right, a>d wrong (labels 0 < 0.5), b=c half, b>d right, c>d right: 4.5 of 6
    const labelled = [label('a', 0), label('b', 1), label('c', 0.9), label('d', 0.5), label('e', 1)];
    const { error, ...rest } = await measureAgreement(rate, labelled);
    expect(rest).toEqual({ answers: 4, failed: 1, ordered: 4.5 / 6 });
    expect(error).toBeCloseTo((0.2 + 0.2 + 0.1 + 0.4) / 4, 12);
  });

  it('has no order where all labels are equal', async () => {
    expect(await measureAgreement(rate, [label('a', 1), label('b', 1)])).toMatchObject({ ordered: undefined });
  });

  it('has no error and no order where the judge scores nothing', async () => {
    const agreement = await measureAgreement(rate, [label('x', 1), label('y', 0)]);
    expect(agreement).toEqual({ answers: 0, failed: 2, ordered: undefined, error: undefined });
  });

  it.each([[[]], [[label('a', 2)]]])('refuses %j', async (labelled) => {
    await expect(measureAgreement(rate, labelled)).rejects.toThrow(/measureAgreement/);
  });
});
