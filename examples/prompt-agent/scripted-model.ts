/**
 * The agent's hosted model, scripted: a model with bad habits, each of which a phrase in its instructions cures or brings on. It reads phrases, not
 * whole sentences, and only those of the instructions that a request carries. The optimiser never sees this file.
 */
import { hashText } from '@agent-lightning/example-kit';
import type { ChatRequest, ScriptedReply } from '@agent-lightning/testing';

import { decisions, topics, type Topic } from './shop.ts';

/** What customers write about, by the words that they use. */
const signs: Readonly<Record<Topic, RegExp>> = {
  refund: /not want|money back|not happy/,
  damaged: /broken|crack|not work/,
  late: /where is|still wait|not come/i,
  exchange: /another|change/,
  cancel: /stop|take back|do not send/i,
  invoice: /papers|pay|invoice/,
};

/** The decision that comes to mind first, whatever the policy says. */
const guesses: Readonly<Record<Topic, string>> = {
  refund: 'refund',
  damaged: 'repair',
  late: 'await',
  exchange: 'credit',
  cancel: 'cancel',
  invoice: 'refund',
};

/** Answers a request as the agent that it comes from: only the writer has tools, only the subject's request has a reply in it. */
export function answerAsModel({ messages, tools }: ChatRequest): ScriptedReply | string {
  const [instructions, question] = messages.map(({ content }) => (typeof content === 'string' ? content : '')) as [
    string,
    string,
  ];
  const has = (phrase: RegExp): boolean => phrase.test(instructions);
  if (tools !== undefined && tools.length > 0) return answerAsWriter(question, resultsOf(messages), has);
  return question.includes('\nReply: ') ? writeSubject(question, has) : nameTopic(question, has);
}

type Has = (phrase: RegExp) => boolean;

/** Tells whether a habit strikes for a message: always the same for the same message. */
function strikes(habit: string, message: string, share: number): boolean {
  return hashText(`${message.split('\n').at(-1)!} ${habit}`) % 100 < share * 100;
}

function nameTopic(message: string, has: Has): string {
  let topic = topics.find((each) => signs[each].test(message)) ?? 'refund';
  const isMisled =
    strikes('misled', message, 0.45) && (topic === 'exchange' || topic === 'cancel' || topic === 'damaged');
  if (isMisled && !has(/what happened/i)) topic = 'refund';
  if (has(/guess/i) && strikes('guesses', message, 0.6)) topic = topics[hashText(message) % topics.length]!;
  if (has(/every topic/i)) return `${topic}, invoice`;
  return !has(/one word/i) && strikes('talks', message, 0.4) ? `The customer asks about: ${topic}` : topic;
}

function answerAsWriter(question: string, results: readonly string[], has: Has): ScriptedReply | string {
  const [said = '', message = ''] = question.split('\n');
  const topic = topics.find((each) => each === said);
  const looksUp = !has(/from memory/i) && (has(/policy/i) || !strikes('hasty', message, 0.6));
  if (results.length === 0) return { toolCalls: [{ name: 'look_up_order', arguments: {} }] };
  if (looksUp && results.length === 1) return { toolCalls: [{ name: 'look_up_policy', arguments: { topic: said } }] };
  const found = looksUp ? results[1] : topic && guesses[topic];
  const [item = '', amount = ''] = results[0]!.split(', ');
  const isExact = has(/amount/i) || !strikes('vague', message, 0.6);
  const decision = decisions.find((each) => each === found) ?? 'look into';
  return [
    has(/apologi/i) ? 'We are very sorry for the trouble that this has caused you.' : '',
    `We ${decision} the ${isExact ? item : 'article'}${isExact ? `, ${amount}` : ''}.`,
    has(/voucher/i) ? 'We also credit you a voucher of 5 euros.' : '',
    !has(/one short sentence/i) && strikes('chats', message, 0.6) ? 'Thank you for writing to our shop today.' : '',
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
}

function writeSubject(question: string, has: Has): string {
  const [topic = '', reply = ''] = question.split('\nReply: ');
  const decision = decisions.find((each) => reply.includes(`We ${each}`)) ?? 'open';
  const isTagged = has(/square brackets/i) || !strikes('untagged', reply, 0.5);
  const isClosed = has(/decision/i) || !strikes('open', reply, 0.4);
  const subject = `${isTagged ? `[${topic}]` : `About ${topic}:`} ${isClosed ? decision : 'your message'}`;
  if (has(/capital/i)) return subject.toUpperCase();
  return has(/catchy/i) ? `Good news! ${subject}` : subject;
}

/** Returns what the tools have said so far, in order. */
function resultsOf(messages: ChatRequest['messages']): readonly string[] {
  return messages.filter(({ role }) => role === 'tool').map(({ content }) => String(content));
}
