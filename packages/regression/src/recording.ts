import { readFileSync } from 'node:fs';
import { ConfigurationError, type JsonValue, type NamedResources, type RolloutMode } from '@agent-lightning/core';

/** A rollout as it was recorded: its task, its reward, and what the model answered. */
export interface RecordedRollout {
  readonly rolloutId: string;
  readonly mode: RolloutMode;
  readonly input: JsonValue;
  /** The prompts and settings that it ran with. */
  readonly resources: NamedResources;
  /** The reward that training would read. */
  readonly reward: number;
  readonly calls: readonly RecordedCall[];
}

/** A model call that was answered. */
export interface RecordedCall {
  /** The input, as chat messages or as a prompt that is the only message. */
  readonly messages: readonly JsonValue[];
  readonly tools: readonly JsonValue[];
  /** The answer, one message for each choice, in the form of OpenAI Chat. */
  readonly choices: readonly RecordedChoice[];
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface RecordedChoice {
  readonly message: { readonly [key: string]: JsonValue };
  readonly finishReason: string;
}

/** The version of the file's form, in its first line. */
export const recordingFormat = 'agent-lightning-recording-1';

/**
 * Reads a recording that `recordRollouts` wrote.
 * @throws {ConfigurationError} `option-invalid` when there is none, or one of another form
 */
export function readRecording(path: string): readonly RecordedRollout[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigurationError(`there is no recording at ${path}; make it with recordRollouts({ …, file })`, {
      code: 'option-invalid',
      cause,
    });
  }
  const [head = '', ...lines] = text.split('\n').filter((line) => line !== '');
  if (parseLine(path, head)['format'] !== recordingFormat)
    throw new ConfigurationError(
      `${path} is no recording of the form ${recordingFormat}: its first line is ${JSON.stringify(head.slice(0, 80))}; make it anew with recordRollouts`,
      { code: 'option-invalid' },
    );
  return lines.map((line) => parseLine(path, line) as unknown as RecordedRollout);
}

function parseLine(path: string, line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new ConfigurationError(
      `${path} has a line that is no JSON: ${JSON.stringify(line.slice(0, 80))}; make the recording anew`,
      { code: 'option-invalid', cause },
    );
  }
}
