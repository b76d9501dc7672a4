/** A generation request, checked and turned into tokens. */
import { BackendError, type GenerateRequest } from '@agent-lightning/core';

import type { TokenRequest } from './chat-engine.ts';
import type { ModelText } from './model-text.ts';

/** As in the OpenAI API. */
const maxChoices = 128;

/**
 * @throws {BackendError} `rows-invalid` naming the field and value; `context-exceeded` when the prompt leaves no room for a
 *   token; `option-unsupported` for a chat or tools that the model has no template for
 */
export function planGeneration(
  request: GenerateRequest,
  text: ModelText,
  limits: { readonly contextLength: number; readonly vocabularySize: number },
): TokenRequest {
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
  const prompt = encodePrompt(request.input, text, limits.vocabularySize);
  const room = limits.contextLength - prompt.length;
  if (room < 1) {
    throw new BackendError(
      `The prompt has ${prompt.length} tokens and the context is ${limits.contextLength}: no token is left for an answer.`,
      { code: 'context-exceeded' },
    );
  }
  return {
    prompt,
    choices,
    temperature,
    maxTokens: Math.min(maxTokens ?? room, room),
    stopTokens: text.eosTokenIds,
    stop,
    seed: toNatural(seed),
  };
}

function encodePrompt(input: GenerateRequest['input'], text: ModelText, vocabularySize: number): Int32Array {
  const tokens =
    'messages' in input
      ? encodeChat(input, text)
      : typeof input.prompt === 'string'
        ? text.tokenizer.encode(input.prompt, true)
        : input.prompt;
  requireField(tokens.length > 0, 'input', [], 'a prompt of at least one token');
  const bad = tokens.find((id) => id < 0 || id >= vocabularySize);
  requireField(bad === undefined, 'input.prompt', bad, `token ids from 0 to ${vocabularySize - 1}`);
  return tokens;
}

function encodeChat(input: Extract<GenerateRequest['input'], { messages: unknown }>, text: ModelText): Int32Array {
  requireField(input.messages.length > 0, 'input.messages', [], 'at least one message');
  const { chatTemplate, tokenizer, directory } = text;
  if (chatTemplate === undefined) {
    throw new BackendError(
      `${directory} has no chat template, so it answers no messages; send a prompt, or add a chat_template.jinja.`,
      { code: 'option-unsupported' },
    );
  }
  return tokenizer.encode(chatTemplate.render(input.messages, input.tools), false); // the template writes its own special tokens
}

/** Callers may give any integer; a sampler's seeds are not negative. */
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
