import { attributeNames } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { installFetchRedirect, judge, runMetered, toAskModel } from '../src/index.ts';
import { startRollout } from './test-rollout.ts';

const used = { text: 'Good. <score>5</score>', model: 'gpt-5-mini', inputTokens: 40, outputTokens: 2 };

type ModelMeter = Parameters<typeof runMetered>[0];

function createMeter(refuses: (call: object) => boolean = () => false) {
  const asked: object[] = [];
  const counted: object[] = [];
  const meter: ModelMeter = {
    admit(call) {
      asked.push(call);
      if (refuses(call)) throw new Error('at the limit');
    },
    count: (call) => void counted.push(call),
  };
  return { meter, asked, counted };
}

describe('a metered model', () => {
  it('is counted by the meter outside rollouts, with what it reports', async () => {
    const { meter, asked, counted } = createMeter();
    const silent = toAskModel('gepa.reflection', async () => 'a prompt');
    await runMetered(meter, () => toAskModel('gepa.reflection', async () => used)('improve'));
    await runMetered(meter, () => silent('improve'));
    await silent('improve'); // outside the run
    const { text: _, ...usage } = used;
    expect(counted).toEqual([
      { part: 'optimizer', ...usage },
      { part: 'optimizer', model: 'gepa.reflection', inputTokens: undefined, outputTokens: undefined },
    ]);
    expect(asked).toEqual([1, 2].map(() => ({ part: 'optimizer', model: undefined })));
  });

  it('is written into the trace inside a rollout, where the meter reads it', async () => {
    const { meter, counted } = createMeter();
    const { run, spans } = await startRollout();
    const rate = judge({ rubric: 'Short is good.', name: 'style', model: async () => used });
    await runMetered(meter, () => run(() => rate({ task: 'a', answer: 'b' })));
    const [operation] = await spans('operation');
    expect(await spans('model_call')).toMatchObject([
      {
        parentSpanId: operation!.spanId,
        attributes: {
          [attributeNames.isJudge]: true,
          [attributeNames.requestModel]: 'gpt-5-mini',
          [attributeNames.inputTokens]: 40,
          [attributeNames.outputTokens]: 2,
        },
      },
    ]);
    expect(counted).toEqual([]);
  });

  it('is not asked when the meter refuses', async () => {
    const { meter } = createMeter(({ part }: { part?: string }) => part === 'judge');
    let requests = 0;
    const model = async (): Promise<string> => {
      requests += 1;
      return '<score>1</score>';
    };
    expect(await runMetered(meter, () => judge({ rubric: 'r', model })({ task: 'a', answer: 'b' }))).toBeUndefined();
    expect(requests).toBe(0);
  });

  it('refuses the model calls of an agent by fetch, and nothing else', async () => {
    const { meter } = createMeter(() => true);
    const takeAway = installFetchRedirect();
    try {
      const { run } = await startRollout();
      const post = (url: string): Promise<unknown> => run(() => fetch(url, { method: 'POST', body: '{}' }));
      const [refused, other] = await runMetered(meter, () =>
        Promise.allSettled([post('http://127.0.0.1:1/v1/chat/completions'), post('http://127.0.0.1:1/v1/tools')]),
      );
      expect(refused).toMatchObject({ reason: { message: 'at the limit' } });
      expect(other).toMatchObject({ reason: { message: 'fetch failed' } });
    } finally {
      takeAway();
    }
  });
});
