import type { GenerateEvent, GenerateRequest, SamplingEngine, ToolCallFormat } from '@agent-lightning/core';

/** One scripted choice: pieces of text with as many tokens as given, and how it ends. */
export interface FakeChoice {
  readonly pieces: readonly (readonly [text: string, tokens: number])[];
  readonly reason?: 'stop' | 'length';
}

export interface FakeEngineOptions {
  /** @default 'hermes' */
  readonly toolCallFormat?: ToolCallFormat | undefined;
  /** True when prompts end within a thought. @default false */
  readonly isThinking?: boolean;
  readonly answer?: (request: GenerateRequest, call: number) => readonly FakeChoice[];
  /** Awaited before every event; throw to fail there. */
  readonly before?: (event: GenerateEvent, call: number, signal: AbortSignal | undefined) => Promise<void> | void;
}

/** A sampling engine that says what a test tells it to, and remembers what it was asked. */
export class FakeEngine implements SamplingEngine {
  readonly contextLength = 4_096;
  readonly toolCallFormat: ToolCallFormat | undefined;
  readonly requests: GenerateRequest[] = [];
  readonly #options: FakeEngineOptions;

  constructor(options: FakeEngineOptions = {}) {
    this.#options = options;
    this.toolCallFormat = 'toolCallFormat' in options ? options.toolCallFormat : 'hermes';
  }

  async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncGenerator<GenerateEvent> {
    const call = this.requests.length;
    this.requests.push(request);
    const choices =
      this.#options.answer?.(request, call) ??
      Array.from({ length: request.choices ?? 1 }, () => ({
        pieces: [
          ['hello', 1],
          [' world', 1],
        ] as const,
      }));
    for (const event of fakeEvents(request, choices, this.#options.isThinking ?? false)) {
      await this.#options.before?.(event, call, signal);
      yield event;
    }
  }
}

export function promptTokensOf(request: GenerateRequest): Int32Array {
  const text = 'messages' in request.input ? JSON.stringify(request.input.messages) : String(request.input.prompt);
  return Int32Array.from(text.slice(0, 64), (character) => character.charCodeAt(0));
}

/** Round-robin over the choices, a piece at a time; ids and log-probabilities count up, so that any mix-up shows. */
function* fakeEvents(
  request: GenerateRequest,
  choices: readonly FakeChoice[],
  isThinking: boolean,
): Generator<GenerateEvent> {
  yield { type: 'prompt', tokens: promptTokensOf(request), isThinking };
  const longest = Math.max(...choices.map((choice) => choice.pieces.length));
  const sampled = choices.map(() => 0);
  for (let position = 0; position <= longest; position += 1) {
    for (const [choice, { pieces, reason }] of choices.entries()) {
      const piece = pieces[position];
      if (piece !== undefined) {
        const first = sampled[choice] ?? 0;
        sampled[choice] = first + piece[1];
        const tokens = Int32Array.from({ length: piece[1] }, (_, index) => 1_000 * (choice + 1) + first + index);
        yield {
          type: 'piece',
          choice,
          text: piece[0],
          tokens,
          logprobs: Float32Array.from(tokens, (id) => -(1 + (id % 1_000)) / 64),
        };
      } else if (position === pieces.length) yield { type: 'finish', choice, reason: reason ?? 'stop' };
    }
  }
}
