import type { Episode } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { CallReport } from './call-report.ts';

const calledBy = (...agents: readonly string[]): readonly Episode[] => [
  { transitions: agents.map((agentName) => ({ agentName })), untrainable: [] } as unknown as Episode,
];

it('tells the calls of a step without signal, again only when they go other ways, and those of all steps at the end', () => {
  const lines: string[] = [];
  const report = new CallReport({ info: (line) => void lines.push(line) });
  const silent = { isWithoutSignal: true } as const;
  report.stepEnded({ step: 1, episodes: calledBy('write', 'write'), outcome: {} });
  report.stepEnded({ step: 2, episodes: calledBy('write'), outcome: silent });
  report.stepEnded({ step: 3, episodes: calledBy('write', 'write'), outcome: silent });
  report.stepEnded({ step: 4, episodes: calledBy('plan'), outcome: silent });
  report.stepEnded({ step: 5, episodes: [], outcome: silent });
  report.runEnded();
  expect(lines.map((line) => line.replaceAll(/ +/g, ' ').split('\n'))).toEqual([
    ['the model calls of step 2:', 'model calls agent calls answered by', 'trained write 1 the policy'],
    ['the model calls of step 4:', 'model calls agent calls answered by', 'trained plan 1 the policy'],
    [
      'the model calls of all steps:',
      'model calls agent calls answered by',
      'trained write 5 the policy',
      'trained plan 1 the policy',
    ],
  ]);
});

it('says nothing of a run without model calls', () => {
  const report = new CallReport({ info: expect.unreachable });
  report.stepEnded({ step: 1, episodes: [], outcome: { isWithoutSignal: true } });
  report.runEnded();
});
