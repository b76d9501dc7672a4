import { attributeNames, type SpanInput } from '@agent-lightning/core';
import { agentNamesOf, outlineTrace, startTestRollout, type TestRollout } from '@agent-lightning/testing';
import type { Agent } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { createTool } from '@mastra/core/tools';
import { createStep, createWorkflow } from '@mastra/core/workflows';
import { createWorkflow as createEventedWorkflow } from '@mastra/core/workflows/evented';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withLightning } from '../src/index.ts';
import { agentOf, modelAt, startServer } from './__fixtures__/agents.ts';

const text = z.object({ q: z.string() });

/** A step that asks an agent. */
function ask(agent: Agent, id: string = agent.id) {
  return createStep({
    id,
    inputSchema: text,
    outputSchema: text,
    execute: async ({ inputData }) => ({ q: (await agent.generate(inputData.q)).text }),
  });
}

// Mastra's own types of a workflow do not fit its step under exactOptionalPropertyTypes.
const asStep = (workflow: unknown) => workflow as ReturnType<typeof ask>;

const workflowOf = (id: string, outputSchema: z.ZodType = text) =>
  createWorkflow({ id, inputSchema: text, outputSchema: outputSchema as typeof text });

async function start(mastra: { getWorkflow(id: never): unknown }, id: string): Promise<{ readonly status: string }> {
  const workflow = mastra.getWorkflow(id as never) as ReturnType<ReturnType<typeof workflowOf>['commit']>;
  return (await workflow.createRun()).start({ inputData: { q: 'q' } });
}

const outline = async (rollout: TestRollout, agents: readonly string[]): Promise<readonly string[]> =>
  outlineTrace(await rollout.spans(), { agents, layers: [] });

const pathsOf = (spans: readonly SpanInput[]): unknown[] =>
  spans.map(({ attributes }) => (attributes[attributeNames.agentNames] as string[]).at(-1)).toSorted();

describe('a workflow of Mastra', () => {
  it('has a span for itself and for each step, parallel and nested, by whose paths agentMatch selects', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const writer = agentOf('writer', modelAt(own));
    const nested = workflowOf('nested').then(ask(writer, 'plan')).commit();
    const main = workflowOf('main', z.any())
      .then(asStep(nested))
      .parallel([ask(writer, 'left'), ask(writer, 'right')])
      .commit();
    const mastra = new Mastra({ agents: { writer }, workflows: { main }, logger: false });
    withLightning(mastra, { agentMatch: /^main\/(nested\/plan|left)\/writer$/ });
    const rollout = startTestRollout(policy.baseUrl);
    expect(await rollout.run(() => start(mastra, 'main'))).toMatchObject({ status: 'success' });
    expect(policy.calls.map(agentNamesOf).toSorted()).toEqual([
      ['writer', 'main/left/writer'],
      ['writer', 'main/nested/plan/writer'],
    ]);
    expect(own.calls).toHaveLength(1);
    expect(pathsOf(await rollout.spans('agent'))).toEqual([
      'main',
      'main/left',
      'main/left/writer',
      'main/nested',
      'main/nested/plan',
      'main/nested/plan/writer',
      'main/right',
      'main/right/writer',
    ]);
    expect(pathsOf(await rollout.spans('model_call'))).toEqual([
      'main/left/writer',
      'main/nested/plan/writer',
      'main/right/writer',
    ]);
  });

  it('is wrapped on its own, with the agents and tools that are its steps', async () => {
    const [own, policy] = [await startServer('own'), await startServer('policy')];
    const lookUp = createTool({
      id: 'look_up',
      description: 'Looks up.',
      inputSchema: text,
      outputSchema: z.object({ prompt: z.string() }),
      execute: async ({ q }) => ({ prompt: `value of ${q}` }),
    });
    const flow = workflowOf('flow', z.any())
      .then(createStep(lookUp) as never)
      .then(createStep(agentOf('writer', modelAt(own))) as never)
      .commit();
    expect(withLightning(flow)).toBe(flow);
    const mastra = new Mastra({ workflows: { flow }, logger: false });
    const rollout = startTestRollout(policy.baseUrl);
    expect(await rollout.run(() => start(mastra, 'flow'))).toMatchObject({ status: 'success' });
    expect(own.calls).toEqual([]);
    expect(await outline(rollout, [])).toEqual([
      'agent flow',
      '  tool_call look_up {"q":"q"} → {"prompt":"value of q"}',
      '  agent writer',
      '    model_call policy-0',
    ]);
    expect(await start(mastra, 'flow')).toMatchObject({ status: 'success' });
    expect([own.calls.length, policy.calls.length]).toEqual([1, 1]);
  });

  it('has a span for each turn of a loop, each item and the branch that was taken', async () => {
    const policy = await startServer('policy');
    const writer = agentOf('writer', modelAt(policy));
    let turns = 0;
    const flow = workflowOf('flow', z.any())
      .dountil(ask(writer, 'again'), async () => ++turns === 2)
      .branch([
        [async () => true, ask(writer, 'yes')],
        [async () => false, ask(writer, 'no')],
      ])
      .map(async () => [{ q: 'a' }, { q: 'b' }])
      .foreach(ask(writer, 'each') as never)
      .commit();
    const mastra = withLightning(new Mastra({ agents: { writer }, workflows: { flow }, logger: false }));
    const rollout = startTestRollout(policy.baseUrl);
    expect(await rollout.run(() => start(mastra, 'flow'))).toMatchObject({ status: 'success' });
    const step = (name: string, call: number) => [
      `  agent ${name}`,
      '    agent writer',
      `      model_call policy-${call}`,
    ];
    expect((await outline(rollout, [])).filter((line) => !line.includes('mapping'))).toEqual([
      'agent flow',
      ...step('again', 0),
      ...step('again', 1),
      ...step('yes', 2),
      ...step('each', 3),
      ...step('each', 4),
    ]);
  });

  it('ends its spans with what went wrong, and says of a step that waits nothing of the kind', async () => {
    const policy = await startServer('policy');
    const failing = createStep({
      id: 'break',
      inputSchema: text,
      outputSchema: text,
      execute: async () => Promise.reject(new RangeError('no such order')),
    });
    const waiting = createStep({
      id: 'wait',
      inputSchema: text,
      outputSchema: text,
      resumeSchema: text,
      execute: async ({ inputData, resumeData, suspend }) =>
        (resumeData === undefined ? suspend({}) : inputData) as never,
    });
    const [broken, held] = [workflowOf('broken').then(failing).commit(), workflowOf('held').then(waiting).commit()];
    const mastra = withLightning(new Mastra({ workflows: { broken, held }, logger: false }));
    const rollout = startTestRollout(policy.baseUrl);
    await rollout.run(async () => {
      expect(await start(mastra, 'broken')).toMatchObject({ status: 'failed' });
      const run = await mastra.getWorkflow('held').createRun();
      expect(await run.start({ inputData: { q: 'q' } })).toMatchObject({ status: 'suspended' });
      expect(await run.resume({ resumeData: { q: 'go' }, step: 'wait' })).toMatchObject({ status: 'success' });
    });
    const spans = await rollout.spans();
    expect(spans.map(({ name, status }) => [name, status.code, status.message])).toEqual([
      ['break', 'error', 'no such order'],
      ['broken', 'error', 'no such order'],
      ['wait', 'unset', undefined],
      ['held', 'unset', undefined],
      ['wait', 'ok', undefined],
      ['held', 'ok', undefined],
    ]);
  });

  it('is followed as a stream, and as a tool of an agent', async () => {
    const policy = await startServer('policy', (_request, { index }) =>
      index === 1
        ? { toolCalls: [{ name: 'workflow-flow', arguments: { inputData: { q: 'help' } } }] }
        : (undefined as never),
    );
    const writer = agentOf('writer', modelAt(policy));
    const flow = workflowOf('flow').then(ask(writer)).commit();
    const boss = agentOf('boss', modelAt(policy), { workflows: { flow } });
    const mastra = withLightning(new Mastra({ agents: { writer, boss }, workflows: { flow }, logger: false }));
    const [streamed, called] = [startTestRollout(policy.baseUrl), startTestRollout(policy.baseUrl)];
    await streamed.run(async () => {
      const run = await mastra.getWorkflow('flow').createRun();
      expect((await run.stream({ inputData: { q: 'q' } }).result).status).toBe('success');
    });
    expect(await outline(streamed, [])).toEqual([
      'agent flow',
      '  agent writer',
      '    agent writer',
      '      model_call policy-0',
    ]);
    await called.run(() => boss.generate('q'));
    const lines = await outline(called, []);
    expect(lines.map((line) => line.replace(/ → .*/, ''))).toEqual([
      'agent boss',
      '  model_call policy-1',
      '  tool_call workflow-flow {"inputData":{"q":"help"}}',
      '    agent flow',
      '      agent writer',
      '        agent writer',
      '          model_call policy-2',
      '  model_call policy-3',
    ]);
  });

  it('of 20 concurrent rollouts never cross', async () => {
    const own = await startServer('own');
    const [plan, write] = [agentOf('planner', modelAt(own)), agentOf('writer', modelAt(own))];
    const flow = workflowOf('flow', z.any())
      .parallel([ask(plan, 'plan'), ask(write, 'write')])
      .commit();
    const mastra = new Mastra({ agents: { plan, write }, workflows: { flow }, logger: false });
    withLightning(mastra, { agentMatch: /\/write\// });
    const rollouts = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const policy = await startServer(`p${index}`, () => ({ content: 'yes', delayMs: Math.random() * 20 }));
        return { index, policy, rollout: startTestRollout(policy.baseUrl) };
      }),
    );
    await Promise.all(rollouts.map(({ rollout }) => rollout.run(() => start(mastra, 'flow'))));
    expect(own.calls).toHaveLength(20);
    for (const { index, policy, rollout } of rollouts) {
      expect(policy.calls.map(agentNamesOf)).toEqual([['writer', 'flow/write/writer']]);
      expect(policy.calls[0]?.headers.authorization).toBe(`Bearer ${rollout.scope.llm?.apiKey}`);
      const calls = await rollout.spans('model_call');
      const ids = calls.map(({ attributes }) => String(attributes[attributeNames.responseId]).split('-')[0]);
      expect(ids.toSorted()).toEqual(['own', `p${index}`]);
      expect(pathsOf(await rollout.spans('agent'))).toEqual([
        'flow',
        'flow/plan',
        'flow/plan/planner',
        'flow/write',
        'flow/write/writer',
      ]);
    }
  });

  it('of another engine is refused inside a rollout, and left alone outside', async () => {
    const flow = createEventedWorkflow({ id: 'flow', inputSchema: text, outputSchema: text })
      .then(createStep({ id: 's', inputSchema: text, outputSchema: text, execute: async ({ inputData }) => inputData }))
      .commit();
    const mastra = withLightning(new Mastra({ workflows: { flow }, logger: false }));
    const rollout = startTestRollout();
    await expect(rollout.run(() => mastra.getWorkflow('flow').createRun())).rejects.toMatchObject({
      code: 'adapter-unsupported',
      message: expect.stringContaining('createWorkflow of @mastra/core/workflows') as string,
    });
    expect((await mastra.getWorkflow('flow').createRun()).workflowId).toBe('flow');
  });
});
