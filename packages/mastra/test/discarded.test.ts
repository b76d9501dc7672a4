import { attributeNames, toEpisode, type Span } from '@agent-lightning/core';
import { startTestRollout, type TestRollout } from '@agent-lightning/testing';
import { Mastra } from '@mastra/core/mastra';
import { InMemoryStore } from '@mastra/core/storage';
import { createStep, createWorkflow } from '@mastra/core/workflows';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import { agentOf, modelAt, startServer } from './__fixtures__/agents.ts';

const text = z.object({ q: z.string() });

/** Returns the response ids that train and those that were thrown away, as a gateway that answered each reported call would have it. */
async function outcomeOf(
  rollout: TestRollout,
): Promise<{ readonly trained: readonly string[]; readonly left: readonly string[] }> {
  const { rolloutId, attemptId } = rollout.scope.lease;
  const reported = (await rollout.spans()).map(
    (span, index) => ({ ...span, rolloutId, attemptId, sequenceId: index + 1 }) as Span,
  );
  const answered = reported.flatMap((span, index): readonly Span[] => {
    if (span.kind !== 'model_call') return [];
    const attributes = {
      ...span.attributes,
      [attributeNames.source]: 'gateway',
      [attributeNames.policy]: 'main',
      [attributeNames.policyVersion]: 1,
      [attributeNames.finishReasons]: ['stop'],
    };
    const tokens = { prompt: Int32Array.of(1), response: Int32Array.of(2), logprobs: Float32Array.of(-1) };
    return [{ ...span, spanId: `g${index}`, parentSpanId: span.spanId, sequenceId: 1000 + index, attributes, tokens }];
  });
  const idOf = (spanId: string): string =>
    String(answered.find((span) => span.spanId === spanId)!.attributes[attributeNames.responseId]);
  const { transitions, untrainable } = toEpisode(rollout.scope.rollout, [...reported, ...answered]);
  return {
    trained: transitions.map(({ spanId }) => idOf(spanId)),
    left: untrainable.map(({ spanId, reason }) => `${idOf(spanId)}: ${reason}`),
  };
}

it('names the answers of a step that its retries run again, and trains on the last ones', async () => {
  const [own, policy] = [await startServer('own'), await startServer('policy')];
  const writer = agentOf('writer', modelAt(own));
  let tries = 0;
  const write = createStep({
    id: 'write',
    inputSchema: text,
    outputSchema: text,
    retries: 1,
    execute: async ({ inputData }) => {
      const answer = await writer.generate(inputData.q);
      if (tries++ === 0) throw new RangeError('not so');
      return { q: answer.text };
    },
  });
  const workflow = createWorkflow({ id: 'flow', inputSchema: text, outputSchema: text }).then(write).commit();
  const mastra = withLightning(new Mastra({ logger: false, agents: { writer }, workflows: { workflow } }));
  const rollout = startTestRollout(policy.baseUrl);
  await rollout.run(async () => {
    const run = await mastra.getWorkflow('workflow').createRun();
    expect(await run.start({ inputData: { q: 'q' } })).toMatchObject({ status: 'success' });
  });
  expect(own.calls).toEqual([]);
  expect(await outcomeOf(rollout)).toEqual({
    trained: ['policy-1'],
    left: ['policy-0: the agent threw the answer away: an attempt failed and was run again from its start'],
  });
});

it('names the answer of a step that waits and is run again, and keeps those of the steps before it and of a loop', async () => {
  const [own, policy] = [await startServer('own'), await startServer('policy')];
  const writer = agentOf('writer', modelAt(own));
  const plan = createStep({
    id: 'plan',
    inputSchema: text,
    outputSchema: text,
    execute: async ({ inputData }) => ({ q: (await writer.generate(inputData.q)).text }),
  });
  let turns = 0;
  const wait = createStep({
    id: 'wait',
    inputSchema: text,
    outputSchema: text,
    resumeSchema: text,
    execute: async ({ inputData, resumeData, suspend }) => {
      const answer = await writer.generate(inputData.q);
      return (resumeData === undefined ? await suspend({}) : { q: answer.text }) as never;
    },
  });
  const workflow = createWorkflow({ id: 'flow', inputSchema: text, outputSchema: text })
    .dountil(plan, async () => ++turns === 2)
    .then(wait)
    .commit();
  const storage = new InMemoryStore();
  const mastra = withLightning(new Mastra({ logger: false, storage, agents: { writer }, workflows: { workflow } }));
  const rollout = startTestRollout(policy.baseUrl);
  await rollout.run(async () => {
    const run = await mastra.getWorkflow('workflow').createRun();
    expect(await run.start({ inputData: { q: 'q' } })).toMatchObject({ status: 'suspended' });
    expect(await run.resume({ step: 'wait', resumeData: { q: 'go' } })).toMatchObject({ status: 'success' });
  });
  expect(own.calls).toEqual([]);
  expect(await outcomeOf(rollout)).toEqual({
    trained: ['policy-0', 'policy-1', 'policy-3'],
    left: ['policy-2: the agent threw the answer away: "wait" waited and was run again from its start'],
  });
});
