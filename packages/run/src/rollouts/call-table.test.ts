import type { Episode } from '@agent-lightning/core';
import { expect, it } from 'vitest';
import { CallTable } from './call-table.ts';

const trained = (agentName: string): Episode['transitions'][number] =>
  ({ agentName }) as Episode['transitions'][number];
const left = { spanId: 's', reason: 'r' };

function episodeOf(parts: Partial<Episode>): Episode {
  return { transitions: [], untrainable: [], ...parts } as Episode;
}

it('counts every call of several rollouts once, by what became of it', () => {
  const table = new CallTable();
  table.add([
    episodeOf({
      transitions: [trained('write'), trained('write')],
      untrainable: [
        { ...left, agentName: 'write', isDiscarded: true },
        { ...left, agentName: 'plan', outside: { host: 'api.anthropic.com', client: 'Anthropic/JS' } },
      ],
    }),
    episodeOf({
      untrainable: [
        { ...left, agentName: 'write' },
        { ...left, agentName: 'plan', outside: { host: 'api.anthropic.com', client: 'Anthropic/JS' } },
        { ...left, agentName: 'draft', outside: {} },
      ],
      otherCalls: [
        { agentName: 'check', isWrapped: true, host: 'api.openai.com', client: 'OpenAI/JS' },
        { agentName: '', isWrapped: false, host: 'judge.example' },
      ],
    }),
  ]);
  expect(table.describe()).toBe(
    [
      'model calls     agent  calls  answered by',
      'trained         write      2  the policy',
      'thrown away     write      1  the policy',
      'not trained     write      1  the policy',
      'went past       plan       2  api.anthropic.com, asked by Anthropic/JS',
      'went past       draft      1  its own model, no request seen',
      'not selected    check      1  api.openai.com, asked by OpenAI/JS',
      'outside agents  -          1  judge.example',
    ].join('\n'),
  );
  const own = new CallTable();
  own.add([episodeOf({ discarded: [trained('write')] })]);
  expect(own.rows).toEqual([{ fate: 'thrown away', agent: 'write', calls: 1 }]);
  expect(table.findStray(undefined)).toEqual(['plan', 'draft']);
  expect(table.findStray('plan')).toEqual(['draft']);
  expect(table.findStray(/./)).toEqual([]);
});

it('is empty without calls', () => {
  const table = new CallTable();
  table.add([episodeOf({})]);
  expect([table.rows, table.describe()]).toEqual([[], '']);
});
