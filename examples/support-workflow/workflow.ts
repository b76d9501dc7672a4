/** A support desk as a Mastra workflow: classify, look up, draft, check, and revise once. It knows nothing of training. */
import { Agent } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { createTool } from '@mastra/core/tools';
import { createStep, createWorkflow } from '@mastra/core/workflows';
import { z } from 'zod';

import {
  checkerInstructions,
  checkPrompt,
  describeFacts,
  draftPrompt,
  revisePrompt,
  triageInstructions,
  writerInstructions,
} from './prompts.ts';
import { findDecision, findOrder, type Order } from './shop.ts';

const ticket = z.object({ order: z.number().int(), message: z.string() });
const classified = ticket.extend({ topic: z.string() });
const draft = ticket.extend({ facts: z.string(), reply: z.string(), remark: z.string(), turns: z.number().int() });

const found = z.object({ order: z.custom<Order>().optional() });
const decided = z.object({ decision: z.string().optional() });

const lookUpOrder = createTool({
  id: 'look_up_order',
  description: 'Finds an order by its number.',
  inputSchema: classified,
  outputSchema: found,
  execute: async ({ order }) => ({ order: findOrder(order) }),
});

const lookUpPolicy = createTool({
  id: 'look_up_policy',
  description: 'Finds what the shop does about a topic for an order.',
  inputSchema: classified,
  outputSchema: decided,
  execute: async ({ topic, order }) => ({ decision: findDecision(topic, order) }),
});

/** Builds the desk: three agents and the workflow `support`. Its model is where `OPENAI_BASE_URL` and `OPENAI_API_KEY` say. */
export function createSupportDesk(name = 'tiny-support') {
  const { OPENAI_BASE_URL: url = 'https://api.openai.com/v1', OPENAI_API_KEY: apiKey = '' } = process.env;
  const model = { id: `desk/${name}` as const, url, apiKey };
  const agentOf = (id: string, instructions: string): Agent => new Agent({ id, name: id, instructions, model });
  const triage = agentOf('triage', triageInstructions);
  const writer = agentOf('writer', writerInstructions);
  const checker = agentOf('checker', checkerInstructions);
  const settings = { modelSettings: { temperature: 0, maxOutputTokens: 24 } };

  const classify = createStep({
    id: 'classify',
    inputSchema: ticket,
    outputSchema: classified,
    execute: async ({ inputData }) => ({
      ...inputData,
      topic: (await triage.generate(inputData.message, settings)).text,
    }),
  });

  const gather = createStep({
    id: 'gather',
    inputSchema: z.object({ look_up_order: found, look_up_policy: decided }),
    outputSchema: draft,
    execute: async ({ inputData, getInitData }) => ({
      ...getInitData<z.infer<typeof ticket>>(),
      facts: describeFacts(inputData.look_up_order.order, inputData.look_up_policy.decision),
      reply: '',
      remark: '',
      turns: 0,
    }),
  });

  const write = createStep({
    id: 'write',
    inputSchema: draft,
    outputSchema: draft,
    execute: async ({ inputData }) => {
      const { message, facts, reply, remark, turns } = inputData;
      const asked = { role: 'user' as const, content: draftPrompt(message, facts) };
      const again = [
        { role: 'assistant' as const, content: reply },
        { role: 'user' as const, content: revisePrompt(remark) },
      ];
      const { text } = await writer.generate(turns === 0 ? [asked] : [asked, ...again], settings);
      return { ...inputData, reply: text, turns: turns + 1 };
    },
  });

  const check = createStep({
    id: 'check',
    inputSchema: draft,
    outputSchema: draft,
    execute: async ({ inputData }) => {
      if (inputData.turns > 1) return { ...inputData, remark: '' };
      const { text } = await checker.generate(checkPrompt(inputData.facts, inputData.reply), settings);
      return { ...inputData, remark: /^revise: (.+)/.exec(text)?.[1] ?? '' };
    },
  });

  const answer = createWorkflow({ id: 'answer', inputSchema: draft, outputSchema: draft })
    .then(write)
    .then(check)
    .commit();

  const support = createWorkflow({ id: 'support', inputSchema: ticket, outputSchema: draft })
    .then(classify)
    .parallel([createStep(lookUpOrder), createStep(lookUpPolicy)])
    .then(gather)
    // Mastra's own types of a workflow do not fit its step under exactOptionalPropertyTypes.
    .dountil(answer as unknown as typeof check, async ({ inputData: { remark } }) => remark === '')
    .commit();

  return new Mastra({ agents: { triage, writer, checker }, workflows: { support }, logger: false });
}

export type SupportDesk = ReturnType<typeof createSupportDesk>;

/** Answers one ticket; rejects when a step fails or `signal` aborts. */
export async function answerTicket(
  desk: SupportDesk,
  { order, message }: { readonly order: number; readonly message: string },
  signal?: AbortSignal,
): Promise<string> {
  const run = await desk.getWorkflow('support').createRun();
  signal?.addEventListener('abort', () => void run.cancel(), { once: true });
  const outcome = await run.start({ inputData: { order, message } });
  if (outcome.status === 'success') return outcome.result.reply;
  throw outcome.status === 'failed' ? outcome.error : new TypeError(`The workflow ended as ${outcome.status}.`);
}
