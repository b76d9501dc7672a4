/** A generation request, checked and turned into tokens. */
import { BackendError, type GenerateRequest } from '@agent-lightning/core';

import type { Checkpoint } from '../checkpoint/checkpoint.ts';

/** What the engine and the detokeniser need of a request. */
export interface GenerationPlan {
  /** Shape (P,), P ≥ 1. */
  readonly prompt: Int32Array;
  readonly choices: number;
  readonly temperature: number;
  /** At most what the context leaves. */
  readonly maxTokens: number;
  readonly stop: readonly string[];
  /** Absent when the engine is to draw one. */
  readonly seed: number | undefined;
}

/** As in the OpenAI API. */
const maxChoices = 128;

/**
 * @throws {BackendError} `rows-invalid` naming the field and value; `context-exceeded` when the prompt leaves no room for a
 *   token; `option-unsupported` for a chat or tools that the checkpoint has no template for
 */
export function planGeneration(
  request: GenerateRequest,
  checkpoint: Checkpoint,
  contextLength: number,
): GenerationPlan {
  const { choices = 1, temperature = 1, maxTokens, stop = [], seed } = request;
  requireField(isCount(choices) && choices <= maxChoices, 'choices', choices, `an integer from 1 to ${maxChoices}`);
  requireField(
    Number.isFinite(temperature) && temperature >= 0,
    'temperature',
    temperature,
    'a finite number of at least 0',
  );
  requireField(maxTokens === undefined || isCount(maxTokens), 'maxTokens', maxTokens, 'an integer of at least 1');
  requireField(
    Array.isArray(stop) && stop.every((text) => typeof text === 'string' && text !== ''),
    'stop',
    stop,
    'a list of texts that are not empty',
  );
  requireField(seed === undefined || Number.isSafeInteger(seed), 'seed', seed, 'an integer');
  const prompt = encodePrompt(request.input, checkpoint);
  const room = contextLength - prompt.length;
  if (room < 1) {
    throw new BackendError(
      `The prompt has ${prompt.length} tokens and the context is ${contextLength}: no token is left for an answer.`,
      { code: 'context-exceeded' },
    );
  }
  return { prompt, choices, temperature, maxTokens: Math.min(maxTokens ?? room, room), stop, seed: toNatural(seed) };
}

function encodePrompt(input: GenerateRequest['input'], checkpoint: Checkpoint): Int32Array {
  const tokens =
    'messages' in input
      ? encodeChat(input, checkpoint)
      : typeof input.prompt === 'string'
        ? checkpoint.tokenizer.encode(input.prompt, true)
        : input.prompt;
  requireField(tokens.length > 0, 'input', [], 'a prompt of at least one token');
  const { vocabSize } = checkpoint.config;
  const bad = tokens.find((id) => id < 0 || id >= vocabSize);
  requireField(bad === undefined, 'input.prompt', bad, `token ids from 0 to ${vocabSize - 1}`);
  return tokens;
}

function encodeChat(
  input: Extract<GenerateRequest['input'], { messages: unknown }>,
  checkpoint: Checkpoint,
): Int32Array {
  requireField(input.messages.length > 0, 'input.messages', [], 'at least one message');
  const { chatTemplate, tokenizer, directory } = checkpoint;
  if (chatTemplate === undefined) {
    throw new BackendError(
      `${directory} has no chat template, so it answers no messages; send a prompt, or add a chat_template.jinja.`,
      { code: 'option-unsupported' },
    );
  }
  return tokenizer.encode(chatTemplate.render(input.messages, input.tools), false); // the template writes its own special tokens
}

/** Callers may give any integer; the engine's seeds are not negative. */
function toNatural(seed: number | undefined): number | undefined {
  return seed === undefined || seed >= 0 ? seed : seed + Number.MAX_SAFE_INTEGER + 1;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

function requireField(ok: boolean, name: string, value: unknown, expected: string): void {
  if (!ok)
    throw new BackendError(`generate(): ${name} is ${JSON.stringify(value) ?? String(value)}; expected ${expected}.`, {
      code: 'rows-invalid',
    });
}
