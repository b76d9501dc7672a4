import { describe, expect, it } from 'vitest';
import { attributeNames, readReward } from '@agent-lightning/core';
import { emitException, emitMessage, emitObject, emitReward, runInSpan } from '../src/index.ts';
import { startRollout } from './test-rollout.ts';

describe('emitReward', () => {
  it('keeps named dimensions, the primary one first, with its scope and attributes', async () => {
    const rollout = await startRollout();
    const id = rollout.run(() =>
      emitReward(
        { speed: 0.25, correct: 1 },
        { primary: 'correct', scope: { agent: 'write' }, attributes: { judge: { model: 'exact', votes: [1, 2] } } },
      ),
    );
    const [span] = await rollout.spans('reward');
    expect(span).toMatchObject({
      spanId: id,
      name: 'reward',
      status: { code: 'ok' },
      attributes: { 'judge.model': 'exact', 'judge.votes': [1, 2] },
    });
    expect(span && readReward(span)).toEqual({
      scope: 'agent',
      target: 'write',
      dimensions: [
        { name: 'correct', value: 1 },
        { name: 'speed', value: 0.25 },
      ],
    });
  });

  it.each([Number.NaN, Number.NEGATIVE_INFINITY, '1', { correct: 1, speed: Number.NaN }])(
    'refuses %j and stores nothing',
    async (value) => {
      const rollout = await startRollout();
      expect(() => rollout.run(() => emitReward(value as number))).toThrow(
        expect.objectContaining({ name: 'TraceError', code: 'reward-invalid' }),
      );
      expect(await rollout.spans()).toEqual([]);
    },
  );

  it('does not let attributes of the user pass for a reward', async () => {
    const rollout = await startRollout();
    rollout.run(() => emitReward(1, { attributes: { agentlightning: { reward: [{ name: 'fake', value: 9 }] } } }));
    const [span] = await rollout.spans('reward');
    expect(span && readReward(span)?.dimensions).toEqual([{ name: 'primary', value: 1 }]);
  });
});

describe('the other emitters', () => {
  it('keep texts, objects and exceptions', async () => {
    const rollout = await startRollout();
    rollout.run(() => {
      emitMessage('thinking');
      emitObject({ rows: [[1, null]] });
      emitObject(new Map());
      emitException(new RangeError('out of reach'));
      emitException('a string');
    });
    const spans = await rollout.spans();
    expect(spans.map(({ kind }) => kind)).toEqual(['message', 'object', 'object', 'exception', 'exception']);
    expect(spans.map(({ attributes }) => attributes)).toMatchObject([
      { [attributeNames.messageBody]: 'thinking' },
      { [attributeNames.objectType]: 'Object', [attributeNames.objectJson]: '{"rows":[[1,null]]}' },
      { [attributeNames.objectType]: 'Map', [attributeNames.objectJson]: '{}' },
      {
        [attributeNames.exceptionType]: 'RangeError',
        [attributeNames.exceptionMessage]: 'out of reach',
        [attributeNames.exceptionStacktrace]: expect.stringContaining('emitters.test.ts'),
      },
      { [attributeNames.exceptionType]: 'string', [attributeNames.exceptionMessage]: 'a string' },
    ]);
    expect(spans[4]?.attributes).not.toHaveProperty(attributeNames.exceptionStacktrace);
  });

  it('refuse what they cannot keep', async () => {
    const rollout = await startRollout();
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    for (const emit of [
      () => emitMessage(7 as never),
      () => emitObject(circular),
      () => emitObject(undefined),
      () => emitObject(1n),
      () => emitMessage('a', { attributes: { b: { c: null } } }),
    ]) {
      expect(() => rollout.run(emit)).toThrow(expect.objectContaining({ code: 'span-invalid' }));
    }
    expect(await rollout.spans()).toEqual([]);
  });

  it('place their spans under the span that is active', async () => {
    const rollout = await startRollout();
    const { attemptId } = rollout.scope.attempt;
    rollout.run(() => runInSpan({ attemptId, spanId: 'abcdefabcdef0123' }, () => emitMessage('inside')));
    rollout.run(() =>
      runInSpan({ attemptId: 'of another rollout', spanId: 'abcdefabcdef0123' }, () => emitMessage('elsewhere')),
    );
    expect((await rollout.spans()).map(({ parentSpanId }) => parentSpanId)).toEqual(['abcdefabcdef0123', undefined]);
  });

  it.each([
    ['emitReward', () => emitReward(1)],
    ['emitMessage', () => emitMessage('a')],
    ['emitObject', () => emitObject({})],
    ['emitException', () => emitException(new Error('a'))],
    ['emitReward of a wrong value', () => emitReward(Number.NaN)],
  ])('do nothing outside a rollout: %s', (_, emit) => {
    expect(emit()).toBeUndefined();
  });
});
