import { describe, expect, it } from 'vitest';
import { attributeNames, type ChatMessage } from '@agent-lightning/core';
import { emitReward, requireRollout } from '@agent-lightning/tracing';
import { toSftRows, toTasks } from '../src/index.ts';
import { captureInto } from './capture-harness.ts';

const [system, question] = [
  { role: 'system', content: 'Answer.' },
  { role: 'user', content: 'How many?' },
];
const tools = [{ type: 'function', function: { name: 'sql' } }];

function call(agent: string, input: readonly ChatMessage[], answer: ChatMessage | undefined): void {
  requireRollout('the test').recorder.record({
    kind: 'model_call',
    name: 'chat',
    attributes: {
      [attributeNames.source]: 'gateway',
      [attributeNames.agentNames]: [agent],
      [attributeNames.inputMessages]: JSON.stringify(input),
      [attributeNames.toolDefinitions]: JSON.stringify(tools),
      ...(answer !== undefined && { [attributeNames.outputMessages]: JSON.stringify([answer]) }),
    },
  });
}

const first = { role: 'assistant', content: 'SELECT 1' };
const feedback = { role: 'user', content: 'Rewrite it.' };
const second = { role: 'assistant', content: 'SELECT 2' };
const verdict = { role: 'assistant', content: 'ok' };

async function captureTraffic() {
  const { capture, exported } = captureInto();
  const agent = (reward: number | undefined) => () => {
    call('write', [system!, question!], first);
    call('check', [question!], verdict);
    call('write', [system!, question!, first, feedback], second);
    if (reward !== undefined) emitReward(reward);
  };
  await capture.run({ a: 1, b: [2] }, agent(1), { rolloutId: 'good' });
  await capture.run({ b: [2], a: 1 }, agent(0), { rolloutId: 'bad' });
  await capture.run('other', agent(undefined), { rolloutId: 'unrated' });
  const broken = capture.run('broken', () => {
    throw new RangeError('broken');
  });
  await broken.catch(() => undefined);
  await capture.run('silent', () => call('write', [question!], undefined), { rolloutId: 'silent' });
  return await exported();
}

describe('toSftRows', () => {
  it('gives each conversation once, whole, with its tools and its rollout’s reward', async () => {
    const { rows, leftOut, problems } = toSftRows(await captureTraffic());
    expect(rows.filter(({ rolloutId }) => rolloutId === 'good')).toEqual([
      { rolloutId: 'good', agentName: 'check', messages: [question, verdict], tools, replies: [1], reward: 1 },
      {
        rolloutId: 'good',
        agentName: 'write',
        messages: [system, question, first, feedback, second],
        tools,
        replies: [2, 4],
        reward: 1,
      },
    ]);
    expect(rows.map(({ rolloutId }) => rolloutId)).toEqual(['good', 'good', 'bad', 'bad', 'unrated', 'unrated']);
    expect(leftOut).toEqual({ failed: 1, reward: 0, truncated: 0, noConversation: 1 });
    expect(problems).toMatchObject([{ reason: 'the call has no readable output messages' }]);
  });

  it('gives one row for a conversation whose client sends an answer back in other words', async () => {
    const asked = { id: 'c1', type: 'function', function: { name: 'sql', arguments: '{"q": 1}' } };
    const result = { role: 'tool', content: '7', tool_call_id: 'c1' };
    const answer = { role: 'assistant', content: null, refusal: null, reasoning_content: 'hm', tool_calls: [asked] };
    const again = { ...asked, id: 'c2', index: 0, function: { name: 'sql', arguments: '{"q":1}' } };
    const echoes: readonly ChatMessage[] = [
      { role: 'assistant', name: 'model', content: '', tool_calls: [asked] },
      { role: 'assistant', tool_calls: [again] },
      { role: 'assistant', content: [], tool_calls: [asked] },
    ];
    const { capture, exported } = captureInto();
    for (const echo of echoes)
      await capture.run('q', () => {
        call('write', [question!], answer);
        call('write', [{ role: 'user', content: [{ type: 'text', text: 'How many?' }] }, echo, result], verdict);
      });
    const other = {
      role: 'assistant',
      content: null,
      tool_calls: [{ ...asked, function: { name: 'sql', arguments: '{"q":2}' } }],
    };
    await capture.run('q', () => {
      call('write', [question!], answer);
      call('write', [question!, other, result], verdict);
    });
    const { rows } = toSftRows(await exported());
    expect(rows.map(({ messages }) => messages.length).toSorted()).toEqual([2, 4, 4, 4, 4]);
  });

  it('keeps what was rated well enough, and the agents that were asked for', async () => {
    const captured = await captureTraffic();
    const { rows, leftOut } = toSftRows(captured, { minReward: 1, agentMatch: /check/ });
    expect(toSftRows(captured, { minReward: 1, agentMatch: ['nobody', 'check'] }).rows).toEqual(rows);
    expect(rows.map(({ rolloutId, agentName }) => [rolloutId, agentName])).toEqual([['good', 'check']]);
    expect(leftOut).toEqual({ failed: 1, reward: 3, truncated: 0, noConversation: 0 });
  });
});

describe('toTasks', () => {
  it('gives every input once, however its keys are ordered', async () => {
    const tasks = toTasks(await captureTraffic());
    expect(tasks.map(({ task }) => task)).toEqual([{ a: 1, b: [2] }, 'other', 'broken', 'silent']);
    expect(tasks[0]!.rolloutIds).toEqual(['good', 'bad']);
  });
});
