/** What the models of each agent reply, by the agent's name, in the order of a conversation. */
export type Script = Readonly<Record<string, readonly ScriptEntry[]>>;

/**
 * One reply: a text, or calls of tools. `{q}` stands for the mark of the question.
 *
 * Given is the first entry that the conversation does not hold yet, and `answer of <agent> <mark>` after the last one; so a reply depends on
 * what is sent alone, whatever order calls arrive in.
 */
export type ScriptEntry = string | readonly ScriptedCall[] | Failure;

export interface ScriptedCall {
  readonly name: string;
  readonly arguments: unknown;
}

/** A status that is answered once to each question; the call that follows gets the next entry. */
export interface Failure {
  readonly status: number;
}

/** What a model has to know of a request, whatever its dialect is. */
export interface Conversation {
  readonly agent: string;
  readonly mark: string;
  /** The names of the tools that were called so far. */
  readonly calledTools: readonly string[];
  /** The texts that models gave so far. */
  readonly answers: readonly string[];
  /** The tool that the request forces the model to call. */
  readonly forcedTool: string | undefined;
}

/** A reply of a model, whatever its dialect is. */
export type Reply = { readonly text: string } | { readonly calls: readonly ScriptedCall[] } | Failure;

/** Returns a tool call for a script. */
export function call(name: string, args: Readonly<Record<string, unknown>> = {}): ScriptedCall {
  return { name, arguments: args };
}

/** Returns the reply to a conversation; `takeFailure` says whether a failure is still to be given. */
export function chooseReply(
  conversation: Conversation,
  entries: readonly ScriptEntry[],
  takeFailure: (index: number) => boolean,
): Reply {
  const called = [...conversation.calledTools];
  for (const [index, entry] of entries.entries()) {
    if (isFailure(entry)) {
      if (takeFailure(index)) return entry;
    } else if (typeof entry === 'string') {
      const text = fill(entry, conversation.mark);
      if (!conversation.answers.includes(text)) return asForced(text, conversation.forcedTool);
    } else if (!entry.every(({ name }) => takeOut(called, name))) {
      return { calls: entry.map((scripted) => fillCall(scripted, conversation.mark)) };
    }
  }
  return { text: `answer of ${conversation.agent} ${conversation.mark}` };
}

const isFailure = (entry: ScriptEntry): entry is Failure => typeof entry === 'object' && 'status' in entry;

function fill(text: string, mark: string): string {
  return text.replaceAll('{q}', mark);
}

function fillCall({ name, arguments: args }: ScriptedCall, mark: string): ScriptedCall {
  return { name, arguments: JSON.parse(fill(JSON.stringify(args), mark)) as unknown };
}

/** Turns a JSON text into the call that the request forces. */
function asForced(text: string, forcedTool: string | undefined): Reply {
  if (forcedTool === undefined || !text.startsWith('{')) return { text };
  return { calls: [{ name: forcedTool, arguments: JSON.parse(text) as unknown }] };
}

function takeOut(names: string[], name: string): boolean {
  const index = names.indexOf(name);
  if (index >= 0) names.splice(index, 1);
  return index >= 0;
}
