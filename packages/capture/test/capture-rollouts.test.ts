import { describe, expect, it, vi } from 'vitest';
import { attributeNames, StoreError, toEpisode } from '@agent-lightning/core';
import { deriveTraceId, currentRollout, emitMessage, emitReward, operation } from '@agent-lightning/tracing';
import { captureRollouts } from '../src/index.ts';
import { MemoryStore } from '@agent-lightning/store';
import { startRollout } from '../../tracing/test/test-rollout.ts';
import { brokenStore, captureInto, nothingDropped } from './capture-harness.ts';

const answer = operation('answer', (question: string) => `${question}!`);

describe('a run of live traffic', () => {
  it('becomes a rollout of the run "production" with its input, spans and origin', async () => {
    const { capture, exported, errors } = captureInto();
    const input = { question: 'how many?' };
    const { rolloutId, result } = await capture.run(input, async () => {
      input.question = 'changed by the agent';
      return answer('five');
    });
    expect(result).toBe('five!');
    const [captured, ...others] = await exported();
    expect(others).toEqual([]);
    expect(captured!.rollout).toMatchObject({
      rolloutId,
      status: 'succeeded',
      mode: 'test',
      input: { question: 'how many?' },
      metadata: { source: 'production', sampleRate: 1, startedAtMs: expect.any(Number), endedAtMs: expect.any(Number) },
    });
    expect(captured!.spans).toMatchObject([{ kind: 'operation', name: 'answer' }]);
    expect(captured!.spans[0]!.traceId).toBe(deriveTraceId(captured!.attempts[0]!.attemptId));
    expect(capture.statistics).toMatchObject({ started: 1, stored: 1, waiting: 0, live: 0, bufferedBytes: 0 });
    expect(errors).toEqual([]);
  });

  it('rejects with what the agent throws, untouched, and is stored as failed', async () => {
    const { capture, exported } = captureInto();
    const thrown = new RangeError('no such table');
    await expect(
      capture.run(null, () => {
        throw thrown;
      }),
    ).rejects.toBe(thrown);
    const [captured] = await exported();
    expect(captured!.rollout).toMatchObject({
      status: 'failed',
      failure: { code: 'RangeError', message: 'no such table' },
    });
    expect(captured!.spans).toMatchObject([{ kind: 'exception', attributes: { 'exception.type': 'RangeError' } }]);
  });

  it('may end later than its function, as a stream does', async () => {
    const { capture, exported } = captureInto();
    const run = capture.start('stream', { rolloutId: 'request-7', metadata: { route: '/ask' } });
    const words = await run.run(async () => [answer('a')]);
    await run.run(() => emitMessage(words.join()));
    expect(capture.statistics).toMatchObject({ live: 1, waiting: 0 });
    run.end();
    run.end();
    const [captured] = await exported();
    expect(captured!.rollout).toMatchObject({ rolloutId: 'request-7', metadata: { route: '/ask' } });
    expect(captured!.spans.map(({ kind }) => kind)).toEqual(['operation', 'message']);
  });

  it('keeps the end of a call that was announced, once and where it was announced', async () => {
    const { capture, exported } = captureInto();
    const used: number[] = [];
    await capture.run('q', async () => {
      const { recorder } = currentRollout()!;
      const call = recorder.start({ kind: 'model_call', name: 'call', attributes: { text: 'x'.repeat(10_000) } });
      call.announce();
      recorder.record({ kind: 'message', name: 'meanwhile' });
      await recorder.flush();
      used.push(capture.statistics.bufferedBytes);
      call.end();
      await recorder.flush();
      used.push(capture.statistics.bufferedBytes);
    });
    const [captured] = await exported();
    expect(captured!.spans.map(({ name, isOpen, sequenceId }) => [name, isOpen, sequenceId])).toEqual([
      ['call', undefined, 1],
      ['meanwhile', undefined, 2],
    ]);
    expect(used[1]).toBe(used[0]);
    expect(capture.statistics.bufferedBytes).toBe(0);
  });

  it('never mixes with another', async () => {
    const { capture, exported } = captureInto();
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const { rolloutId } = await capture.run(index, async (run) => {
          await Promise.resolve();
          expect(currentRollout()?.rollout.rolloutId).toBe(run.rolloutId);
          answer(String(index));
        });
        expect(rolloutId).toMatch(/^[0-9a-f-]{36}$/);
      }),
    );
    for (const { rollout, spans } of await exported())
      expect(spans[0]!.attributes[attributeNames.operationOutput]).toBe(`"${String(rollout.input)}!"`);
    expect(capture.statistics).toMatchObject({ stored: 20 });
  });

  it('inside a trainer’s rollout is that rollout', async () => {
    const { capture, exported } = captureInto();
    const trained = await startRollout();
    const { rolloutId } = await trained.run(() => capture.run('x', () => answer('a')));
    expect(rolloutId).toBe(trained.scope.rollout.rolloutId);
    expect(await trained.spans()).toHaveLength(1);
    expect(await exported()).toEqual([]);
  });

  it('takes an id of its own for one that cannot be used, and says so', async () => {
    const { capture, errors } = captureInto();
    const run = capture.start('x', { rolloutId: 'one' });
    expect(capture.start('x', { rolloutId: 'one' }).rolloutId).not.toBe('one');
    expect(capture.start('x', { rolloutId: '../etc' }).rolloutId).not.toContain('/');
    expect(errors.map(({ message }) => message)).toEqual([
      expect.stringContaining('"one" was replaced'),
      expect.stringContaining('"../etc" was replaced'),
    ]);
    run.end();
    await capture.close();
  });

  it.each([
    [{ sampleRate: 2 }, 'sampleRate must be'],
    [{ sampleRate: NaN }, 'sampleRate must be'],
    [{ maxBufferedBytes: 0 }, 'maxBufferedBytes must be'],
    [{ writeTimeoutMs: 0.5 }, 'writeTimeoutMs must be'],
    [{ gatewayTimeoutMs: -1 }, 'gatewayTimeoutMs must be'],
    [{ runId: 'a b' }, 'runId must be'],
    [{ redact: 'email' }, 'redact must be'],
    [{ store: {} }, 'store must be'],
    [{ seed: Infinity }, 'seed must be'],
  ])('is refused with bad options: %j', (options, message) => {
    expect(() => captureRollouts({ store: new MemoryStore(), ...options } as never)).toThrow(message);
  });
});

describe('sampling', () => {
  it('keeps the share that the ids and the seed decide, in every process the same', async () => {
    const kept = async (seed: number, sampleRate = 0.3): Promise<string[]> => {
      const { capture, exported } = captureInto({ sampleRate, seed });
      for (let index = 0; index < 400; index++)
        await capture.run(index, () => answer('a'), { rolloutId: `request-${index}` });
      const stored = await exported();
      expect(capture.statistics).toMatchObject({ started: 400, unsampled: 400 - stored.length });
      return stored.map(({ rollout }) => rollout.rolloutId);
    };
    const [once, again, otherwise] = [await kept(0), await kept(0), await kept(1)];
    expect(again).toEqual(once);
    expect(otherwise).not.toEqual(once);
    expect(once.length).toBeGreaterThan(90);
    expect(once.length).toBeLessThan(150);
    const more = new Set(await kept(0, 0.6)); // a higher rate keeps what a lower one kept
    expect(once.filter((id) => !more.has(id))).toEqual([]);
    expect(await kept(0, 0)).toEqual([]);
  });

  it('leaves emitters and operations at work in a run that is not kept', async () => {
    const { capture, exported } = captureInto({ sampleRate: 0 });
    const { result } = await capture.run('x', () => {
      emitReward(1);
      return answer('a');
    });
    expect(result).toBe('a!');
    expect(await exported()).toEqual([]);
    expect(capture.statistics).toMatchObject({ unsampled: 1, dropped: nothingDropped });
  });
});

describe('feedback', () => {
  it('arrives after the rollout, in several dimensions, once for each feedback id', async () => {
    const { capture, exported } = captureInto();
    const { rolloutId } = await capture.run('x', () => answer('a'));
    const first = capture.reward(rolloutId, { helpful: 1, short: 0.5 }, { feedbackId: 'click-1' });
    const again = capture.reward(rolloutId, { helpful: 1, short: 0.5 }, { feedbackId: 'click-1' });
    expect(await Promise.all([first, again])).toEqual(['stored', 'stored']);
    const [captured] = await exported();
    expect(captured!.spans.map(({ kind }) => kind)).toEqual(['operation', 'reward']);
    expect(toEpisode(captured!.rollout, captured!.spans).rewards).toEqual({ helpful: 1, short: 0.5 });
    expect(capture.statistics).toMatchObject({ rewardsStored: 2, rewardsDropped: 0 });
  });

  it('may come while the run goes on, and from another process', async () => {
    const { capture, store, exported } = captureInto();
    const run = capture.start('x');
    const early = capture.reward(run.rolloutId, 0.25);
    await run.run(() => answer('a'));
    run.end();
    expect(await early).toBe('stored');
    expect(await captureInto({ store }).capture.reward(run.rolloutId, 0.75)).toBe('stored');
    const [captured] = await exported();
    expect(toEpisode(captured!.rollout, captured!.spans).reward).toBe(0.75);
  });

  it('says what became of it', async () => {
    const { capture } = captureInto();
    expect(await capture.reward('never-seen', 1)).toBe('unknown-rollout');
    expect(await captureInto({ sampleRate: 0 }).capture.reward('anything', 1)).toBe('not-sampled');
    await capture.close();
    expect(await capture.reward('too-late', 1)).toBe('dropped');
    expect(capture.statistics).toMatchObject({ rewardsStored: 0, rewardsDropped: 2 });
  });

  it('has its feedback redacted, and is dropped where that fails', async () => {
    const redact = (text: string): string => {
      if (text === 'unspeakable') throw new RangeError(text);
      return text.replaceAll('Ada', '[name]');
    };
    const { capture, exported, errors } = captureInto({ redact });
    const { rolloutId } = await capture.run('x', () => 1);
    expect(await capture.reward(rolloutId, { right: true, feedback: 'Ada liked it' })).toBe('stored');
    expect(await capture.reward(rolloutId, { right: false, feedback: 'unspeakable' })).toBe('dropped');
    const [captured] = await exported();
    expect(toEpisode(captured!.rollout, captured!.spans)).toMatchObject({ reward: 1, feedback: '[name] liked it' });
    expect(errors.map(({ message }) => message)).toEqual([
      `redact threw RangeError, so a reward of rollout ${rolloutId} was dropped`,
    ]);
  });

  it('is refused at once when it is no reward', () => {
    expect(() => captureInto().capture.reward('x', NaN)).toThrow(expect.objectContaining({ code: 'reward-invalid' }));
  });
});

const down = async (): Promise<never> => {
  throw new StoreError('the database is gone', { code: 'store-unavailable', retryable: true });
};
const hang = (): Promise<never> => new Promise(() => undefined);

describe('a store that is not well', () => {
  it.each([
    ['is down', down],
    ['hangs', hang],
    [
      'throws at once',
      () => {
        throw new TypeError('not a store');
      },
    ],
  ])('is not noticed by the agent when it %s, and is told by the numbers', async (_, broken) => {
    const all = { enqueue: broken, claim: broken, appendSpans: broken, complete: broken, addReward: broken };
    const store = brokenStore(new MemoryStore(), all as never);
    const { capture, errors } = captureInto({ store, writeTimeoutMs: 20 });
    const { rolloutId, result } = await capture.run('x', () => answer('fine'));
    expect(result).toBe('fine!');
    void capture.reward(rolloutId, 1);
    await vi.waitUntil(() => capture.statistics.retries > 0, { timeout: 60_000 });
    const statistics = await capture.close({ timeoutMs: 1 });
    expect(statistics).toMatchObject({ stored: 0, waiting: 0, dropped: { ...nothingDropped, closed: 1 } });
    expect(statistics).toMatchObject({ bufferedBytes: 0, rewardsDropped: 1 });
    expect(statistics.retries).toBeGreaterThan(0);
    expect(errors[0]!.retryable).toBe(true);
  });

  it('gets everything once it is back', async () => {
    const healthy = new MemoryStore();
    let failures = 3;
    const flaky = <Method extends 'enqueue' | 'appendSpans' | 'complete'>(name: Method): MemoryStore[Method] =>
      (async (...call: never[]) => {
        if (failures-- > 0) return await down();
        return await (healthy[name] as (...call: never[]) => unknown)(...call);
      }) as never;
    const broken = { enqueue: flaky('enqueue'), appendSpans: flaky('appendSpans'), complete: flaky('complete') };
    const { capture, exported, errors } = captureInto({ store: brokenStore(healthy, broken) });
    for (let index = 0; index < 5; index++) await capture.run(index, () => answer(String(index)));
    const stored = await exported();
    expect(stored.map(({ rollout, spans }) => [rollout.input, rollout.status, spans.length])).toEqual(
      [0, 1, 2, 3, 4].map((index) => [index, 'succeeded', 1]),
    );
    expect(errors).toHaveLength(3);
    expect(capture.statistics).toMatchObject({ stored: 5, retries: 3, dropped: nothingDropped });
  });

  it('that answers a claim too late loses nothing', async () => {
    const healthy = new MemoryStore();
    let isFirst = true;
    const claim: MemoryStore['claim'] = async (request) => {
      const claims = await healthy.claim(request);
      if (isFirst) await vi.waitUntil(() => capture.statistics.retries > 0, { timeout: 60_000 });
      isFirst = false;
      return claims;
    };
    const { capture, exported } = captureInto({ store: brokenStore(healthy, { claim }), writeTimeoutMs: 30 });
    await capture.run('x', () => answer('a'));
    expect((await exported()).map(({ rollout }) => rollout.status)).toEqual(['succeeded']);
  });

  it('cannot fill the memory: what does not fit is dropped whole, and counted', async () => {
    const store = brokenStore(new MemoryStore(), { enqueue: hang });
    const { capture, errors } = captureInto({ store, maxBufferedBytes: 20_000 });
    for (let index = 0; index < 50; index++) {
      const { result } = await capture.run(index, () => answer('x'.repeat(500)));
      expect(result).toHaveLength(501);
    }
    expect(await capture.flush({ timeoutMs: 50 })).toBe(false);
    const { waiting, dropped, bufferedBytes } = capture.statistics;
    expect(waiting).toBeGreaterThan(3);
    expect(dropped['buffer-full']).toBe(50 - waiting); // started = waiting + dropped, for nothing else became of any
    expect(bufferedBytes).toBeLessThanOrEqual(20_000);
    expect(errors).toContainEqual(expect.objectContaining({ code: 'store-full' }));
    expect(await capture.close({ timeoutMs: 1 })).toMatchObject({ bufferedBytes: 0, waiting: 0, live: 0 });
  });

  it('refuses one rollout, and gets the others', async () => {
    const { capture, store, exported, errors } = captureInto();
    await store.enqueue([{ rolloutId: 'taken', input: 'another' }]);
    const runs = ['a', 'taken', 'b'].map((rolloutId) => capture.run(rolloutId, () => answer('x'), { rolloutId }));
    await Promise.all(runs);
    expect((await exported()).map(({ rollout }) => rollout.rolloutId)).toEqual(['a', 'b']);
    expect(capture.statistics).toMatchObject({ stored: 2, dropped: { ...nothingDropped, 'store-refused': 1 } });
    expect(errors).toMatchObject([{ code: 'store-conflict' }]);
  });

  it('drops a second run of an id that was stored, instead of counting it as written', async () => {
    const { capture, exported } = captureInto();
    for (const text of ['first', 'second']) {
      await capture.run('same', () => answer(text), { rolloutId: 'one' });
      await capture.flush();
    }
    expect((await exported()).flatMap(({ spans }) => spans)).toHaveLength(1);
    expect(capture.statistics).toMatchObject({ stored: 1, dropped: { ...nothingDropped, 'store-refused': 1 } });
  });
});

describe('what else may go wrong', () => {
  it('is an input that JSON cannot hold', async () => {
    const { capture, errors } = captureInto();
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    expect((await capture.run(cyclic, () => 'fine')).result).toBe('fine');
    expect((await capture.run(1n, () => 'fine')).result).toBe('fine');
    expect(capture.statistics.dropped).toEqual({ ...nothingDropped, 'input-invalid': 2 });
    expect(errors[0]!.message).toContain('cannot be written as JSON');
  });

  it('is the user’s own onError and generateRolloutId', async () => {
    const broken = (): never => {
      throw new TypeError('broken');
    };
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { capture, exported } = captureInto({ onError: broken, generateRolloutId: broken });
    expect((await capture.run('x', () => answer('fine'))).result).toBe('fine!');
    expect(await exported()).toHaveLength(1);
    expect(warn.mock.calls).toEqual([[expect.stringContaining('onError threw')]]);
    warn.mockRestore();
  });

  it('is the end of the process: close ends what goes on, and takes nothing more', async () => {
    const { capture, exported } = captureInto();
    const run = capture.start('x');
    await run.run(() => answer('a'));
    expect(await capture.close()).toMatchObject({ stored: 1, live: 0 });
    const [captured] = await exported();
    expect(captured!.rollout).toMatchObject({ status: 'failed', failure: { code: 'cancelled' } });
    expect((await capture.run('y', () => answer('still'))).result).toBe('still!');
    expect(capture.statistics.dropped.closed).toBe(1);
  });
});
