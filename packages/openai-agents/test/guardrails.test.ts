import { attributeNames } from '@agent-lightning/core';
import { agentNamesOf, startModelServer, startTestRollout, type ModelServer } from '@agent-lightning/testing';
import { Agent, InputGuardrailTripwireTriggered, OutputGuardrailTripwireTriggered, run } from '@openai/agents';
import { afterEach, describe, expect, it } from 'vitest';
import { withLightning } from '../src/index.ts';
import { chatModel } from './__fixtures__/adapter.ts';

const open: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function startServer(): Promise<ModelServer> {
  const server = await startModelServer({ respond: () => 'hello' });
  open.push(server);
  return server;
}

const modelAt = ({ baseUrl }: ModelServer) =>
  chatModel({ baseUrl, apiKey: 'own-key', model: 'own-model', maxRetries: 0 });

/** A guardrail that asks an agent of its own, and trips or not. */
function guardrailOf(name: string, judge: Agent, tripwireTriggered: boolean) {
  return {
    name,
    execute: async () => ({ tripwireTriggered, outputInfo: (await run(judge, 'judge it')).finalOutput }),
  };
}

describe('guardrails', () => {
  it.each([
    ['input', InputGuardrailTripwireTriggered],
    ['output', OutputGuardrailTripwireTriggered],
  ] as const)('that trip on the %s end the run as they do, and are in the trace', async (where, error) => {
    const [own, policy] = [await startServer(), await startServer()];
    const judge = new Agent({ name: 'judge', model: modelAt(own) });
    const guardrail = guardrailOf('polite', judge, true);
    const agent = withLightning(
      new Agent({
        name: 'writer',
        model: modelAt(own),
        ...(where === 'input'
          ? { inputGuardrails: [{ ...guardrail, runInParallel: false }] }
          : { outputGuardrails: [guardrail] }),
      }),
      { agentMatch: /^writer$/ },
    );
    const rollout = startTestRollout(policy.baseUrl);
    await expect(rollout.run(() => run(agent, 'q'))).rejects.toThrow(error);
    expect([policy.calls.length, own.calls.length]).toEqual([where === 'input' ? 0 : 1, 1]);
    const [operation] = await rollout.spans('operation');
    expect(operation).toMatchObject({
      name: 'guardrail polite',
      attributes: { [attributeNames.operationOutput]: '{"triggered":true}' },
    });
    const spans = await rollout.spans();
    const judged = spans.find(({ name }) => name === 'judge');
    expect(judged?.parentSpanId).toBe(operation?.spanId);
    expect(spans.find(({ name }) => name === 'writer')?.status.code).toBe('error');
  });

  it.each([{ agentMatch: /^writer$/ }, {}])(
    'that run beside the agent do not take its calls along: %s',
    async (options) => {
      const [own, policy] = [await startServer(), await startServer()];
      const judge = new Agent({ name: 'judge', model: modelAt(own) });
      const agent = withLightning(
        new Agent({
          name: 'writer',
          model: modelAt(own),
          inputGuardrails: [guardrailOf('polite', judge, false)],
          outputGuardrails: [guardrailOf('short', judge, false)],
        }),
        options,
      );
      const rollouts = await Promise.all(Array.from({ length: 4 }, () => startTestRollout(policy.baseUrl)));
      await Promise.all(rollouts.map((rollout) => rollout.run(() => run(agent, 'q'))));
      expect([policy.calls.length, own.calls.length]).toEqual([4, 8]);
      for (const rollout of rollouts) {
        const names = (await rollout.spans()).filter(({ kind }) => kind !== 'model_call').map(({ name }) => name);
        expect(names.toSorted()).toEqual(['guardrail polite', 'guardrail short', 'judge', 'judge', 'writer']);
      }
    },
  );

  it('train the agent that they ask where an agentMatch names it', async () => {
    const [own, policy] = [await startServer(), await startServer()];
    const judge = new Agent({ name: 'judge', model: modelAt(own) });
    const writer = new Agent({
      name: 'writer',
      model: modelAt(own),
      outputGuardrails: [guardrailOf('short', judge, false)],
    });
    const agent = withLightning(writer, { agentMatch: 'judge' });
    await startTestRollout(policy.baseUrl).run(() => run(agent, 'q'));
    expect([policy.calls.map((call) => agentNamesOf(call)[0]), own.calls.length]).toEqual([['judge'], 1]);
  });
});
