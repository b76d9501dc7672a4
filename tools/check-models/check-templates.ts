/** Compares the texts of chat templates with those of Jinja2. */
import { ChatTemplate } from '@agent-lightning/text';

import { conversations, type Conversation } from './conversations.ts';
import { askPython, type PythonEnvironment } from './python-environment.ts';

/** The time that templates show. */
export const now = '2026-05-03T07:08:09';
const variables = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' };

export interface TemplateResults {
  readonly templates: number;
  readonly templatesEqual: number;
  /** Templates that mention tools. */
  readonly toolTemplates: number;
  /** Those of them whose calls could be read. */
  readonly toolFormats: number;
  /** Names the templates whose calls could not be read. */
  readonly refused: readonly string[];
  /** Says what differs, one line for each conversation. */
  readonly differences: readonly string[];
}

/** What Jinja2 made of one conversation. */
interface Reference {
  readonly text?: string;
  /** The message by which the template itself refused it. */
  readonly refused?: string;
  readonly failed?: string;
}

/** Renders every conversation with every template, here and in Python. */
export function checkTemplates({ python, templates }: PythonEnvironment): TemplateResults {
  console.error(`check:models: Jinja2 renders ${conversations.length} conversations with ${templates.size} templates`);
  const request = { templates: Object.fromEntries(templates), conversations, variables, now };
  const references = askPython(python, 'render_chats.py', request) as Readonly<Record<string, readonly Reference[]>>;
  const differences: string[] = [];
  const [refused, withTools]: [string[], string[]] = [[], []];
  let templatesEqual = 0;
  for (const [name, source] of templates) {
    const template = new ChatTemplate({ template: source, name, now: () => new Date(now) }, variables);
    const found = conversations.flatMap((conversation, index) => {
      const difference = compare(template, conversation, references[name]?.[index] ?? { failed: 'no answer' });
      return difference === undefined ? [] : [`${name}: ${conversation.name}: ${difference}`];
    });
    if (found.length === 0) templatesEqual += 1;
    for (const difference of found) differences.push(difference);
    if (!/\btools\b/.test(source)) continue;
    withTools.push(name);
    if (template.toolCallFormat === undefined) refused.push(name);
  }
  return {
    templates: templates.size,
    templatesEqual,
    toolTemplates: withTools.length,
    toolFormats: withTools.length - refused.length,
    refused,
    differences,
  };
}

/** Says how a text differs from the reference; undefined when it does not, or when both refuse for one reason. */
function compare(template: ChatTemplate, { messages, tools }: Conversation, reference: Reference): string | undefined {
  const { text, refused, failed } = reference;
  let ours: string;
  try {
    ours = template.fill(messages, tools);
  } catch (error) {
    const { message } = error as Error;
    if (text !== undefined) return `it ends in an error: ${message}`;
    return message.includes(refused ?? '') ? undefined : `it is refused by "${message}" instead of "${refused}"`;
  }
  if (text === undefined) return `it is rendered, and Jinja2 ends in an error: ${refused ?? failed}`;
  return ours === text ? undefined : `it differs ${describeDifference(ours, text)}`;
}

function describeDifference(ours: string, theirs: string): string {
  let at = 0;
  while (ours[at] === theirs[at]) at += 1;
  const shown = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 20), at + 40));
  return `at character ${at}: ${shown(ours)} instead of ${shown(theirs)}`;
}
