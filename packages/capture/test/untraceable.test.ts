import { describe, expect, it } from 'vitest';
import { AdapterError } from '@agent-lightning/core';
import {
  currentRollout,
  emitException,
  emitMessage,
  emitObject,
  emitReward,
  FrameworkRuns,
  operation,
  refuseUntraceable,
} from '@agent-lightning/tracing';
import { startRollout } from '../../tracing/test/test-rollout.ts';
import { captureInto, nothingDropped } from './capture-harness.ts';

const tooLong = 'x'.repeat(10_000);
const circular: { self?: unknown } = {};
circular.self = circular;
const badAgent = { kind: 'agent', name: 'writer', attributes: { '': 1 } } as const;
const runs = FrameworkRuns.of<undefined>('untraceable-test');

/** Reports a run as an adapter does, whose end a trace must not take. */
function endBadly(): void {
  runs.begin({ id: 'r', describe: () => ({ span: { kind: 'agent', name: 'writer' }, detail: undefined }) });
  runs.end('r', { attributes: { score: Number.NaN } });
}

const untraceable: readonly (readonly [what: string, reason: string, work: () => unknown])[] = [
  ['a reward that is no number', 'reward-invalid', () => emitReward(Number.NaN)],
  ['a message that is no text', 'span-invalid', () => emitMessage(7 as never)],
  ['an object that JSON cannot hold', 'span-invalid', () => emitObject(circular)],
  [
    'an exception with a bad attribute',
    'span-invalid',
    () => emitException(new RangeError('no'), { attributes: { '': 1 } }),
  ],
  ['an operation with too long a name', 'span-invalid', () => operation(tooLong, (): undefined => undefined)()],
  [
    'an agent with a bad attribute',
    'span-invalid',
    () => runs.begin({ id: 'r', describe: () => ({ span: badAgent, detail: undefined }) }),
  ],
  [
    'a run that its adapter cannot describe',
    'span-invalid',
    () => runs.begin({ id: 'r', describe: () => Reflect.get(undefined as never, 'name') as never }),
  ],
  ['a run with a bad end', 'span-invalid', endBadly],
  [
    'a call that its adapter cannot follow',
    'some-call',
    () =>
      refuseUntraceable(
        currentRollout()!,
        'some-call',
        new AdapterError('some call cannot be followed', { code: 'adapter-unsupported' }),
      ),
  ],
];

describe('what cannot be traced', () => {
  for (const sampleRate of [1, 0]) {
    it.each(untraceable)(`is counted in live traffic: %s, at the sampling rate ${sampleRate}`, async (...given) => {
      const [, reason, work] = given;
      const { capture, errors } = captureInto({ sampleRate });
      const { result } = await capture.run('q', () => [work(), work(), 'the answer']);
      expect(result).toEqual([undefined, undefined, 'the answer']);
      expect(capture.statistics.untraceable).toEqual({ [reason]: 2 });
      expect(errors).toHaveLength(2);
      expect(await capture.close()).toMatchObject({ stored: sampleRate, dropped: nothingDropped });
    });
  }

  it.each(untraceable)('is refused in training: %s', async (_what, _reason, work) => {
    const { capture } = captureInto();
    const rollout = await startRollout();
    await expect(rollout.run(() => capture.run('q', work))).rejects.toThrow();
    expect(capture.statistics.untraceable).toEqual({});
  });

  it('leaves the rest of the run in its trace, and keeps what the function does', async () => {
    const { capture, exported } = captureInto();
    const fails = operation(tooLong, () => {
      emitMessage('inside');
      throw new RangeError('no such table');
    });
    const run = capture.run('q', () => {
      emitReward({ speed: Number.POSITIVE_INFINITY });
      return fails();
    });
    await expect(run).rejects.toThrow('no such table');
    const [captured] = await exported();
    expect(captured!.spans.map(({ kind }) => kind)).toEqual(['message', 'exception']);
    expect(capture.statistics.untraceable).toEqual({ 'reward-invalid': 1, 'span-invalid': 1 });
  });
});
