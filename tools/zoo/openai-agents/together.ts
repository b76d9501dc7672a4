import { instructionsOf } from '@agent-lightning/testing';
import {
  Agent,
  handoff,
  InputGuardrailTripwireTriggered,
  OutputGuardrailTripwireTriggered,
  run,
  RunState,
  tool,
  ToolGuardrailFunctionOutputFactory,
  type RunContext,
} from '@openai/agents';
import { removeAllTools } from '@openai/agents-core/extensions';
import { z } from 'zod';
import type { Idiom, Wrap } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { agentOf, askWeather, chatModel, guide, weather } from './parts.ts';

const example = (path: string): string => `https://github.com/openai/openai-agents-js/tree/main/examples/${path}`;

const toBilling = {
  script: { triage: [[call('transfer_to_billing')]] },
  selected: { billing: 1 },
  kept: { triage: 1 },
};
const askHelper = { boss: [[call('ask_helper', { input: 'help {q}' })]] };
const toolDescription = 'Asks the helper.';

const removal = tool({
  name: 'remove',
  description: 'Removes.',
  parameters: z.object({ what: z.string() }),
  needsApproval: true,
  execute: ({ what }) => `removed ${what}`,
});
const removing = { script: { writer: [[call('remove', { what: 'all {q}' })]] }, selected: { writer: 2 } };

/** Builds an idiom of an agent with a guardrail that asks an agent of its own. */
function guarded(name: string, options: Parameters<Wrap>[1]): Idiom {
  return {
    name,
    source: guide('guardrails#input-guardrails'),
    script: { guard: ['{"isMath":true,"why":"{q}"}'] },
    selected: { writer: 1 },
    kept: { guard: 1 },
    build: (around) => {
      const outputType = z.object({ isMath: z.boolean(), why: z.string() });
      const guard = new Agent({
        name: 'guard',
        instructions: instructionsOf('guard'),
        model: chatModel(around),
        outputType,
      });
      const writer = agentOf(around, 'writer', {
        inputGuardrails: [
          {
            name: 'math',
            execute: async ({ input }) => {
              const { finalOutput } = await run(guard, input);
              return { outputInfo: finalOutput, tripwireTriggered: finalOutput?.isMath ?? false };
            },
          },
        ],
      });
      const app = around.wrap(writer, options);
      return (question) => run(app, question).catch((error) => error instanceof InputGuardrailTripwireTriggered);
    },
  };
}

/** Idioms of several agents, of guardrails and of humans in the loop. */
export const together: readonly Idiom[] = [
  {
    ...toBilling,
    name: 'a handoff',
    source: guide('handoffs'),
    build: (around) => {
      const triage = agentOf(around, 'triage', { handoffs: [agentOf(around, 'billing')] });
      const app = around.wrap(triage, { agentMatch: 'billing' });
      return async (question) => {
        const { finalOutput, lastAgent } = await run(app, question);
        return [finalOutput, lastAgent?.name];
      };
    },
  },
  {
    name: 'a handoff with an input, a callback and a filter',
    source: guide('handoffs#customizing-handoffs-via-handoff'),
    script: { triage: [[call('escalate', { reason: 'angry {q}' })]] },
    selected: { billing: 1 },
    kept: { triage: 1 },
    build: (around) => {
      const onHandoff = (context: RunContext<string[]>, input?: { reason: string }): void =>
        void context.context.push(String(input?.reason));
      const escalate = handoff(agentOf(around, 'billing') as Agent<string[]>, {
        onHandoff,
        inputType: z.object({ reason: z.string() }),
        inputFilter: removeAllTools,
        toolNameOverride: 'escalate',
      });
      const triage = new Agent<string[]>({
        name: 'triage',
        instructions: instructionsOf('triage'),
        model: chatModel(around),
        handoffs: [escalate],
      });
      const app = around.wrap(triage, { agentMatch: 'billing' });
      return async (question) => {
        const context: string[] = [];
        return [(await run(app, question, { context })).finalOutput, context];
      };
    },
  },
  {
    name: 'handoffs to and fro',
    source: example('customer-service'),
    script: { triage: [[call('transfer_to_billing')], 'thanks {q}'], billing: [[call('transfer_to_triage')]] },
    selected: { billing: 1 },
    kept: { triage: 2 },
    build: (around) => {
      const triage = agentOf(around, 'triage');
      const billing = agentOf(around, 'billing', { handoffs: [triage] });
      triage.handoffs.push(billing);
      const app = around.wrap(triage, { agentMatch: 'billing' });
      return async (question) => (await run(app, question)).finalOutput;
    },
  },
  {
    ...toBilling,
    name: 'Agent.create with handoffs, streamed',
    source: guide('agents#composition-patterns'),
    build: (around) => {
      const triage = Agent.create({
        name: 'triage',
        instructions: instructionsOf('triage'),
        model: chatModel(around),
        handoffs: [agentOf(around, 'billing')],
      });
      const app = around.wrap(triage, { agentMatch: /billing/ });
      return async (question) => {
        const result = await run(app, question, { stream: true });
        const names: string[] = [];
        for await (const event of result) if (event.type === 'agent_updated_stream_event') names.push(event.agent.name);
        await result.completed;
        return [names, result.finalOutput];
      };
    },
  },
  {
    name: 'an agent that is a tool',
    source: guide('tools#4-agents-as-tools'),
    script: askHelper,
    selected: { helper: 1 },
    kept: { boss: 2 },
    build: (around) => {
      const helper = agentOf(around, 'helper').asTool({ toolName: 'ask_helper', toolDescription });
      const app = around.wrap(agentOf(around, 'boss', { tools: [helper] }), { agentMatch: 'helper' });
      return async (question) => (await run(app, question)).finalOutput;
    },
  },
  {
    name: 'an agent that is a tool, with an extractor of its output',
    source: guide('tools#4-agents-as-tools'),
    script: { ...askHelper, helper: [askWeather] },
    selected: { boss: 2, helper: 2 },
    build: (around) => {
      const helper = agentOf(around, 'helper', { tools: [weather] }).asTool({
        toolName: 'ask_helper',
        toolDescription,
        customOutputExtractor: ({ newItems, finalOutput }) => `${newItems.length} items: ${String(finalOutput)}`,
      });
      const app = around.wrap(agentOf(around, 'boss', { tools: [helper] }));
      return async (question) => (await run(app, question)).history;
    },
  },
  {
    name: 'an agent that is a tool, whose events are watched',
    source: guide('tools#streaming-events-from-agent-tools'),
    script: askHelper,
    selected: { helper: 1 },
    kept: { boss: 2 },
    build: (around) => {
      const seen = new Set<string>();
      const onStream = ({ event }: { event: { type: string } }): void => void seen.add(event.type);
      const helper = agentOf(around, 'helper').asTool({ toolName: 'ask_helper', toolDescription, onStream });
      const app = around.wrap(agentOf(around, 'boss', { tools: [helper] }), { agentMatch: /boss\/helper/ });
      return async (question) => [(await run(app, question)).finalOutput, [...seen].toSorted()];
    },
  },
  {
    name: 'a manager of two agents that work at once',
    source: guide('multi-agent'),
    script: { boss: [[call('ask_poet', { input: 'a poem {q}' }), call('ask_joker', { input: 'a joke {q}' })]] },
    selected: { poet: 1 },
    kept: { boss: 2, joker: 1 },
    build: (around) => {
      const tools = ['poet', 'joker'].map((name) =>
        agentOf(around, name).asTool({ toolName: `ask_${name}`, toolDescription: `Asks ${name}.` }),
      );
      const app = around.wrap(agentOf(around, 'boss', { tools }), { agentMatch: 'poet' });
      return async (question) => (await run(app, question)).history;
    },
  },
  {
    name: 'a function tool that runs another agent',
    source: guide('multi-agent'),
    script: { boss: [[call('ask_helper', { input: 'help {q}' })]] },
    selected: { helper: 1 },
    kept: { boss: 2 },
    build: (around) => {
      const helper = agentOf(around, 'helper');
      const ask = tool({
        name: 'ask_helper',
        description: toolDescription,
        parameters: z.object({ input: z.string() }),
        execute: async ({ input }) => (await run(helper, input)).finalOutput ?? '',
      });
      const app = around.wrap(agentOf(around, 'boss', { tools: [ask] }), { agentMatch: 'helper' });
      return async (question) => (await run(app, question)).finalOutput;
    },
  },
  {
    name: 'a fixed sequence of agents',
    source: example('agent-patterns/deterministic.ts'),
    script: { checker: ['{"isGood":true,"note":"{q}"}'] },
    selected: { planner: 1, writer: 1 },
    kept: { checker: 1 },
    build: (around) => {
      const planner = around.wrap(agentOf(around, 'planner'));
      const outputType = z.object({ isGood: z.boolean(), note: z.string() });
      const checker = new Agent({
        name: 'checker',
        instructions: instructionsOf('checker'),
        model: chatModel(around),
        outputType,
      });
      const writer = around.wrap(agentOf(around, 'writer'));
      return async (question) => {
        const plan = (await run(planner, question)).finalOutput!;
        const verdict = (await run(checker, plan)).finalOutput;
        return verdict?.isGood === true ? (await run(writer, plan)).finalOutput : 'stopped';
      };
    },
  },
  {
    name: 'agents side by side, and one that picks',
    source: example('agent-patterns/parallelization.ts'),
    selected: { writer: 3, picker: 1 },
    build: (around) => {
      const [writer, picker] = [around.wrap(agentOf(around, 'writer')), around.wrap(agentOf(around, 'picker'))];
      return async (question) => {
        const drafts = await Promise.all([1, 2, 3].map((number) => run(writer, `${number} ${question}`)));
        return (await run(picker, drafts.map(({ finalOutput }) => finalOutput).join(' | '))).finalOutput;
      };
    },
  },
  {
    name: 'a judge in a loop',
    source: example('agent-patterns/llm-as-a-judge.ts'),
    script: { judge: ['{"score":"fail","feedback":"more {q}"}', '{"score":"pass","feedback":"good {q}"}'] },
    selected: { writer: 2 },
    kept: { judge: 2 },
    build: (around) => {
      const writer = around.wrap(agentOf(around, 'writer'));
      const outputType = z.object({ score: z.enum(['pass', 'fail']), feedback: z.string() });
      const judge = new Agent({
        name: 'judge',
        instructions: instructionsOf('judge'),
        model: chatModel(around),
        outputType,
      });
      return async (question) => {
        const verdicts: unknown[] = [];
        for (let input = question; verdicts.length < 2;) {
          const draft = await run(writer, input);
          const { score, feedback } = (
            await run(judge, [...(verdicts.length === 0 ? [] : draft.history), ...draft.history])
          ).finalOutput!;
          verdicts.push(score);
          input = `${question} with ${feedback}`;
        }
        return verdicts;
      };
    },
  },
  guarded('an input guardrail that asks an agent and trips', { agentMatch: 'writer' }),
  guarded('an input guardrail of an agent that is wrapped as it is', undefined),
  {
    name: 'an output guardrail that trips',
    source: guide('guardrails#output-guardrails'),
    selected: { writer: 1 },
    build: (around) => {
      const execute = () => Promise.resolve({ outputInfo: {}, tripwireTriggered: true });
      const app = around.wrap(agentOf(around, 'writer', { outputGuardrails: [{ name: 'never', execute }] }));
      return (question) => run(app, question).catch((error) => error instanceof OutputGuardrailTripwireTriggered);
    },
  },
  {
    name: 'guardrails of a tool',
    source: guide('guardrails#tool-guardrails'),
    script: { writer: [askWeather] },
    selected: { writer: 2 },
    build: (around) => {
      const guarded = tool({
        name: 'weather',
        description: 'Tells the weather.',
        parameters: z.object({ city: z.string() }),
        inputGuardrails: [
          { name: 'no', run: () => Promise.resolve(ToolGuardrailFunctionOutputFactory.rejectContent('not today')) },
        ],
        execute: () => 'never',
      });
      const app = around.wrap(agentOf(around, 'writer', { tools: [guarded] }));
      return async (question) => (await run(app, question)).history;
    },
  },
  {
    ...removing,
    name: 'a human who approves a tool call',
    source: guide('human-in-the-loop'),
    build: (around) => {
      const app = around.wrap(agentOf(around, 'writer', { tools: [removal] }));
      return async (question) => {
        const { state, interruptions } = await run(app, question);
        for (const item of interruptions) state.approve(item);
        return (await run(app, state)).history;
      };
    },
  },
  {
    ...removing,
    name: 'a human who rejects a tool call',
    source: guide('human-in-the-loop'),
    build: (around) => {
      const app = around.wrap(agentOf(around, 'writer', { tools: [removal] }));
      return async (question) => {
        const { state, interruptions } = await run(app, question);
        for (const item of interruptions) state.reject(item);
        return (await run(app, state)).history;
      };
    },
  },
  {
    ...removing,
    name: 'an approval of a run that was stored as text, streamed',
    source: guide('human-in-the-loop#longer-approval-times'),
    build: (around) => {
      const app = around.wrap(agentOf(around, 'writer', { tools: [removal] }));
      return async (question) => {
        const stored = (await run(app, question)).state.toString();
        const state = await RunState.fromString(app, stored);
        for (const item of state.getInterruptions()) state.approve(item);
        const result = await run(app, state, { stream: true });
        for await (const _event of result);
        await result.completed;
        return result.finalOutput;
      };
    },
  },
  {
    name: 'an approval of a tool of an agent that is a tool',
    source: guide('human-in-the-loop#nested-agents'),
    script: { ...askHelper, helper: [[call('remove', { what: 'all {q}' })]] },
    selected: { helper: 2 },
    kept: { boss: 2 },
    build: (around) => {
      const helper = agentOf(around, 'helper', { tools: [removal] }).asTool({
        toolName: 'ask_helper',
        toolDescription,
      });
      const app = around.wrap(agentOf(around, 'boss', { tools: [helper] }), { agentMatch: 'helper' });
      return async (question) => {
        const { state, interruptions } = await run(app, question);
        for (const item of interruptions) state.approve(item);
        return [interruptions.length, (await run(app, state)).finalOutput];
      };
    },
  },
  {
    name: 'an approval after a handoff',
    source: guide('human-in-the-loop'),
    script: { triage: [[call('transfer_to_writer')]], writer: [[call('remove', { what: 'all {q}' })]] },
    selected: { writer: 2 },
    kept: { triage: 1 },
    build: (around) => {
      const triage = agentOf(around, 'triage', { handoffs: [agentOf(around, 'writer', { tools: [removal] })] });
      const app = around.wrap(triage, { agentMatch: 'writer' });
      return async (question) => {
        const { state, interruptions } = await run(app, question);
        for (const item of interruptions) state.approve(item);
        return (await run(app, state)).finalOutput;
      };
    },
  },
];
