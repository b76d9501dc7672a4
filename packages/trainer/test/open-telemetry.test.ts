/** A run of LangGraph agents in an app that has an OpenTelemetry provider: every step of an agent is in the official SDK. */
import { withLightning } from '@agent-lightning/langgraph';
import { startModelServer } from '@agent-lightning/testing';
import { tool } from '@langchain/core/tools';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { Trainer, type MetricWriter } from '../src/index.ts';
import { capitalTasks, search, type CapitalTask } from './prompt-search/capital-task.ts';
import { promptSearch } from './prompt-search/prompt-search.ts';
import { createRunDirectory, recordingLogger } from './run-folder.ts';
import { outlineSpans, registerSdk } from '../../runner/test/telemetry-sdk.ts';

/** An agent that looks a country up by a tool, and answers. */
function createAgent(baseURL: string) {
  const lookup = tool(() => 'a secret place', { name: 'lookup', schema: z.object({ country: z.string() }) });
  const model = new ChatOpenAI({ model: 'own-model', apiKey: 'own', maxRetries: 0, configuration: { baseURL } });
  const withTools = model.bindTools([lookup]);
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('answer', async ({ messages }) => ({ messages: [await withTools.invoke(messages)] }))
    .addNode('tools', new ToolNode([lookup]))
    .addEdge(START, 'answer')
    .addConditionalEdges('answer', ({ messages }) => (messages.length === 2 ? 'tools' : END))
    .addEdge('tools', 'answer')
    .compile();
  return withLightning(graph);
}

it('shows a run of LangGraph agents, each span below the one of which it is a part', async () => {
  const sdk = registerSdk();
  const server = await startModelServer({
    respond: ({ messages }) =>
      messages.length === 1 ? { toolCalls: [{ name: 'lookup', arguments: { country: 'Peru' } }] } : 'Lima',
  });
  const agent = createAgent(server.baseUrl);
  const written: unknown[] = [];
  const writer: MetricWriter = {
    name: 'list',
    begin: async (run) => (written.push(run.runId), {}),
    write: async (points) => void written.push(...points.map(({ step, values }) => [step, values['reward/mean']])),
    end: async (outcome) => void written.push(outcome),
  };
  const trainer = new Trainer({
    rollout: async ({ country }: CapitalTask) => {
      const { messages } = await agent.invoke({ messages: [{ role: 'user', content: country }] });
      return messages.at(-1)!.text === 'Lima' ? 1 : 0;
    },
    algorithm: promptSearch({ ...search, candidates: 2, tasksPerStep: 1 }),
    runDirectory: await createRunDirectory(),
    metricWriters: [writer],
    logger: recordingLogger(),
    progress: 'none',
    handleSignals: false,
  });
  const { rollouts, runId } = await trainer.fit({ train: capitalTasks.slice(0, 2), steps: 1, verdict: false });
  const spans = sdk.spans.getFinishedSpans();
  const outline = outlineSpans(spans);
  const read = await sdk.readMetrics();
  await server.close();
  await sdk.close();
  expect(rollouts).toBe(2);
  expect(outline.slice(0, outline.length / 2)).toEqual([
    'rollout',
    '  invoke_agent LangGraph',
    '    invoke_agent answer',
    '      chat own-model',
    '    invoke_agent tools',
    '      execute_tool lookup',
    '    invoke_agent answer',
    '      chat own-model',
    '  reward',
  ]);
  expect(written).toEqual([runId, [1, 1], 'completed']);
  expect(read['agentlightning.step.reward.mean']).toEqual({ [runId]: 1 });
  expect(read['agentlightning.rollouts']).toEqual({ 'train succeeded': 2 });
  const call = spans.find(({ name }) => name === 'chat own-model')!;
  expect(call.attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'own-model',
    'gen_ai.agent.name': 'answer',
    'gen_ai.usage.input_tokens': expect.any(Number),
  });
  const lookup = spans.find(({ name }) => name === 'execute_tool lookup')!;
  expect(lookup.attributes).toMatchObject({ 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'lookup' });
  expect(JSON.stringify(spans.map(({ attributes }) => attributes))).not.toMatch(/secret|Peru|Lima/);
});
