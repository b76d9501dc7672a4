/** A support desk on the AI SDK: one agent finds the topic, one answers with two tools, one writes the subject. */
import { createOpenAI } from '@ai-sdk/openai';
import { stepCountIs, tool, ToolLoopAgent, type LanguageModel, type ToolSet } from 'ai';
import { z } from 'zod';

import { answerPrompt, answerRequest, subjectPrompt, subjectRequest, triagePrompt } from './prompts.ts';
import type { Mail } from './reward.ts';
import { describeOrder, findDecision, findOrder } from './shop.ts';

/** Returns the desk's model, which is where `OPENAI_BASE_URL` and `OPENAI_API_KEY` say. */
export function createModel(name: string): LanguageModel {
  return createOpenAI().chat(name);
}

/** Returns the tools, for the order of the customer who is signed in. */
export function createTools(orderId: number) {
  const order = findOrder(orderId);
  return {
    look_up_order: tool({
      description: "Finds the customer's order.",
      inputSchema: z.object({}),
      execute: () => describeOrder(order),
    }),
    look_up_policy: tool({
      description: 'Finds what the shop does about a topic for this order.',
      inputSchema: z.object({ topic: z.string() }),
      execute: ({ topic }) => findDecision(topic, order) ?? 'no such topic',
    }),
  };
}

export interface DeskOptions {
  readonly model: LanguageModel;
  /** Returns what is called in the place of an agent: `withLightning`, where the desk is trained. @default the agent itself */
  readonly wrap?: <Agent extends object>(agent: Agent) => Agent;
  readonly signal?: AbortSignal;
}

/** Answers one ticket by mail; rejects when a model does not answer, or when `signal` aborts. */
export async function answerTicket(
  { order, message }: { readonly order: number; readonly message: string },
  { model, wrap = (agent) => agent, signal }: DeskOptions,
): Promise<Mail> {
  const ask = async (id: string, instructions: string, prompt: string, tools: ToolSet = {}): Promise<string> => {
    const settings = { id, model, instructions, tools, temperature: 0, maxOutputTokens: 120, stopWhen: stepCountIs(4) };
    const agent = wrap(new ToolLoopAgent(settings));
    const { text } = await agent.generate({ prompt, ...(signal && { abortSignal: signal }) });
    return text;
  };
  const topic = await ask('triage', triagePrompt.render(), message);
  const reply = await ask('writer', answerPrompt.render(), answerRequest(topic, message), createTools(order));
  const subject = await ask('subject', subjectPrompt.render(), subjectRequest(topic, reply));
  return { subject, reply };
}
