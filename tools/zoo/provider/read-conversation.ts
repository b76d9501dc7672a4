import type { Conversation } from './script.ts';

export type Dialect = 'chat' | 'responses' | 'messages';

/** The parts of a request that are read, of all dialects. */
export interface ModelRequest {
  readonly model?: string;
  readonly stream?: boolean;
  readonly messages?: readonly Item[];
  readonly input?: string | readonly Item[];
  readonly system?: unknown;
  readonly instructions?: unknown;
  readonly tools?: readonly ToolForm[];
  readonly tool_choice?: unknown;
  readonly stream_options?: { readonly include_usage?: boolean };
}

/** A message, or an item of the Responses dialect. */
interface Item {
  readonly role?: string;
  readonly type?: string;
  readonly name?: string;
  readonly content?: unknown;
  readonly tool_calls?: readonly { readonly function: { readonly name: string } }[];
}

interface ToolForm {
  readonly name?: string;
  readonly function?: { readonly name: string };
}

/** Matches the mark of a question; every text that belongs to the question holds it. */
export const markPattern: RegExp = /#q\d+/g;

/** Reads what a model has to know from a request. */
export function readConversation(request: ModelRequest): Conversation {
  const items = itemsOf(request);
  return {
    agent: findAgent(request, items),
    mark: JSON.stringify(request).match(markPattern)?.[0] ?? 'unmarked',
    calledTools: items.flatMap(calledTools),
    answers: items.filter(({ role }) => role === 'assistant').map(({ content }) => textOf(content)),
    forcedTool: forcedTool(request),
  };
}

function itemsOf({ messages, input }: ModelRequest): readonly Item[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  return messages ?? input ?? [];
}

/** Finds who is asked: by the system's text, else by the newest message that says it. */
function findAgent({ system, instructions }: ModelRequest, items: readonly Item[]): string {
  const isSystem = ({ role }: Item): boolean => role === 'system' || role === 'developer';
  const systemTexts = [
    textOf(system),
    textOf(instructions),
    ...items.filter(isSystem).map(({ content }) => textOf(content)),
  ];
  const others = items.filter(({ role }) => role === 'user').map(({ content }) => textOf(content));
  for (const text of [...systemTexts, ...others.toReversed()]) {
    const name = /You are (\w+)\./.exec(text)?.[1];
    if (name !== undefined) return name;
  }
  return 'nobody';
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return (content as readonly { readonly text?: unknown }[])
    .map(({ text }) => (typeof text === 'string' ? text : ''))
    .join('');
}

function calledTools({ type, name, content, tool_calls: calls }: Item): readonly string[] {
  if (type === 'function_call') return [name ?? ''];
  if (calls !== undefined) return calls.map(({ function: { name: called } }) => called);
  if (!Array.isArray(content)) return [];
  return (content as readonly Item[]).filter((block) => block.type === 'tool_use').map((block) => block.name ?? '');
}

/** Returns the tool that must be called: by its name, or where any must be called and there is one. */
function forcedTool({ tool_choice: choice, tools = [] }: ModelRequest): string | undefined {
  if (choice === 'required' || (choice as { readonly type?: string } | undefined)?.type === 'any')
    return tools.length === 1 ? nameOf(tools[0]!) : undefined;
  return typeof choice === 'object' && choice !== null ? nameOf(choice as ToolForm) : undefined;
}

function nameOf({ name, function: form }: ToolForm): string | undefined {
  return form?.name ?? name;
}
