/** The dialogues that the tiny model learns from: fluent mails with bad habits, in the agent's own prompts. */
import type { JsonValue } from '@agent-lightning/core';
import type { Dialogue, Random } from '@agent-lightning/example-kit';

import { answerPrompt, answerRequest, subjectPrompt, subjectRequest, triagePrompt } from '../prompts.ts';
import { describeOrder, findDecision, findOrder } from '../shop.ts';
import type { Ticket } from '../tickets.ts';
import { anotherTopic, anyDecision, strikes } from './bad-habits.ts';

type Message = Dialogue['prompt'][number];

export interface Example extends Dialogue {
  readonly role: 'triage' | 'writer' | 'subject';
  readonly ticket: Ticket;
}

/** The agent's tools, as far as the chat template writes them. */
const tools: readonly JsonValue[] = [
  { type: 'function', function: { name: 'look_up_order', parameters: { type: 'object', properties: {} } } },
  {
    type: 'function',
    function: { name: 'look_up_policy', parameters: { type: 'object', properties: { topic: { type: 'string' } } } },
  },
];

/** Returns one example about a ticket: half of them answer, a quarter each name the topic and write the subject. */
export function createExample(ticket: Ticket, random: Random): Example {
  const part = random();
  if (part < 1 / 4) return triage(ticket, random);
  return part < 3 / 4 ? writer(ticket, random) : subject(ticket, random);
}

function triage(ticket: Ticket, random: Random): Example {
  const response = strikes('takes it for another topic', ticket.kind, random) ? anotherTopic(random) : ticket.kind;
  return { role: 'triage', ticket, prompt: ask(triagePrompt.text, ticket.message), response };
}

function writer(ticket: Ticket, random: Random): Example {
  const order = findOrder(ticket.order);
  const isHasty = strikes('answers before it looks up the policy', ticket.kind, random);
  const decision = isHasty ? anyDecision(random) : findDecision(ticket.kind, order)!;
  const prompt = [
    ...ask(answerPrompt.text, answerRequest(ticket.kind, ticket.message)),
    ...called('look_up_order', {}, describeOrder(order)),
    ...(isHasty ? [] : called('look_up_policy', { topic: ticket.kind }, decision)),
  ];
  return { role: 'writer', ticket, tools, prompt, response: reply(ticket, decision, random), learnsEveryTurn: true };
}

function subject(ticket: Ticket, random: Random): Example {
  const said = reply(ticket, ticket.decision, random);
  const response = strikes('writes a subject of its own', ticket.kind, random)
    ? `Your ${ticket.kind}`
    : `[${ticket.kind}] ${ticket.decision}`;
  return { role: 'subject', ticket, prompt: ask(subjectPrompt.text, subjectRequest(ticket.kind, said)), response };
}

function reply({ kind, order }: Ticket, decision: string, random: Random): string {
  const { item, euros } = findOrder(order);
  const amount = strikes('forgets the amount', kind, random) ? '' : `, ${euros} euros`;
  const chat = strikes('chats', kind, random) ? ' Thank you for writing to our shop today.' : '';
  return `We ${decision} the ${item}${amount}.${chat}`;
}

function ask(instructions: string, content: string): readonly Message[] {
  return [
    { role: 'system', content: instructions },
    { role: 'user', content },
  ];
}

/** Returns a tool call and what the tool said, as the agent's next request has them. */
function called(name: string, input: Readonly<Record<string, string>>, output: string): readonly Message[] {
  const call = { name, arguments: JSON.stringify(input) };
  return [
    { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: call }] },
    { role: 'tool', tool_call_id: 'call_1', content: output },
  ];
}
