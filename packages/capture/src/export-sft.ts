import { check, type ChatMessage, type JsonValue } from '@agent-lightning/core';
import { writeLines } from '@agent-lightning/platform';
import type { ExportedRollout } from '@agent-lightning/store';
import { toSftRows, type SftRow, type SftRows, type ToSftRowsOptions } from './captured-data.ts';

/** Options of `exportSft`. */
export interface ExportSftOptions extends ToSftRowsOptions {
  /** The file to write, which appears whole or not at all. */
  readonly file: string;
  /**
   * The reader that the lines are for. `openai`: OpenAI's files for fine-tuning, in which `weight: 0` marks assistant messages that the agent
   * did not say, such as examples in its prompt. `trl`: `SFTTrainer` of TRL, with the arguments of calls as objects and `tools` as a text of
   * JSON, so that rows with different tools have one column. @default 'openai'
   */
  readonly format?: 'openai' | 'trl';
}

/** The result of an export. */
export interface SftExport {
  /** Lines that were written. */
  readonly rows: number;
  /** Rollouts that gave none, by reason. */
  readonly leftOut: SftRows['leftOut'];
  /** Model calls whose messages were not recorded or are not JSON. */
  readonly problems: number;
}

/**
 * Writes the conversations of rollouts that succeeded as JSON Lines for supervised fine-tuning elsewhere: `{ messages, tools }`, tools only
 * where there are some. One rollout is in memory at a time.
 * @throws {ConfigurationError} `option-invalid`, also when the file cannot be written; {BackendError} `disk-full`
 */
export async function exportSft(
  rollouts: AsyncIterable<ExportedRollout> | Iterable<ExportedRollout>,
  options: ExportSftOptions,
): Promise<SftExport> {
  check.knownOptions('exportSft', options, {
    file: true,
    format: true,
    agentMatch: true,
    minReward: true,
    truncated: true,
  });
  const { file, format: given = 'openai', ...selection } = options;
  if (typeof file !== 'string' || file === '') throw check.optionInvalid('exportSft: file', file, 'the path of a file');
  const format = check.oneOf('exportSft: format', given, ['openai', 'trl']);
  check.oneOf('exportSft: truncated', options.truncated ?? 'leave-out', ['leave-out', 'keep']);
  const leftOut = { failed: 0, reward: 0, truncated: 0, noConversation: 0 };
  let problems = 0;
  async function* lines(): AsyncGenerator<string, void, undefined> {
    for await (const rollout of rollouts) {
      const found = toSftRows([rollout], selection);
      for (const reason of Object.keys(leftOut) as (keyof typeof leftOut)[]) leftOut[reason] += found.leftOut[reason];
      problems += found.problems.length;
      for (const row of found.rows) yield `${JSON.stringify(toExample(row, format))}\n`;
    }
  }
  const rows = await writeLines(file, lines());
  return { rows, leftOut, problems };
}

function toExample({ messages, tools, replies }: SftRow, format: 'openai' | 'trl'): object {
  const shown = messages.map((message, index) => {
    const isOther = message.role === 'assistant' && !replies.includes(index);
    return { ...toMessage(message, format), ...(format === 'openai' && isOther ? { weight: 0 } : {}) };
  });
  if (tools === null) return { messages: shown };
  return { messages: shown, tools: format === 'openai' ? tools : JSON.stringify(tools) };
}

/** Returns a message with the fields that readers of such files know: others, such as a refusal that is null, are left out. */
function toMessage(
  { role, content, name, tool_calls: calls, tool_call_id: callId }: ChatMessage,
  format: 'openai' | 'trl',
): object {
  const called = Array.isArray(calls) && calls.length > 0 ? (calls as readonly JsonValue[]) : undefined;
  return {
    role,
    content: content ?? (format === 'openai' && called !== undefined ? null : ''),
    ...(typeof name === 'string' && { name }),
    ...(called !== undefined && { tool_calls: called.map((call) => toCall(call, format)) }),
    ...(typeof callId === 'string' && { tool_call_id: callId }),
  };
}

interface Call {
  readonly id?: JsonValue;
  readonly function?: { readonly name?: JsonValue; readonly arguments?: JsonValue };
}

function toCall(call: JsonValue, format: 'openai' | 'trl'): object {
  const { id, function: called } = (call ?? {}) as Call;
  const { name, arguments: given } = called ?? {};
  return {
    ...(id === undefined ? {} : { id }),
    type: 'function',
    function: { name, arguments: format === 'openai' ? toText(given) : toValue(given) },
  };
}

function toText(given: JsonValue | undefined): string {
  return typeof given === 'string' ? given : JSON.stringify(given ?? {});
}

/** Reads arguments as an object; a text that is no JSON stays what the model wrote. */
function toValue(given: JsonValue | undefined): JsonValue {
  if (typeof given !== 'string') return given ?? {};
  try {
    return given.trim() === '' ? {} : (JSON.parse(given) as JsonValue);
  } catch {
    return given; // the reader then sees a text in place of an object, as the agent's framework did
  }
}
