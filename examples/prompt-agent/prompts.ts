/** The three prompts of the agent, named so that they can be improved. They are short, because one of the example's models is tiny. */
import { promptTemplate } from '@agent-lightning/tracing';

export const triagePrompt = promptTemplate('triage', 'Name the topic.');
export const answerPrompt = promptTemplate('answer', 'Answer the customer.');
export const subjectPrompt = promptTemplate('subject', 'Write the subject.');

export const prompts = [triagePrompt, answerPrompt, subjectPrompt] as const;

/** Asks for an answer to a message about a topic. */
export function answerRequest(topic: string, message: string): string {
  return `${topic}\n${message}`;
}

/** Asks for the subject of a reply about a topic. */
export function subjectRequest(topic: string, reply: string): string {
  return `${topic}\nReply: ${reply}`;
}
