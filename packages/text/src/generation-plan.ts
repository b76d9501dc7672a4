/** Checks a generation request and turns it into tokens. */
import { BackendError, type ChatMessage, type GenerateRequest } from '@agent-lightning/core';

import type { TokenRequest } from './chat-engine.ts';
import type { ModelText } from './model-text.ts';

/** The limit of the OpenAI API. */
const maxChoices = 128;

/**
 * Returns the request for the sampler of tokens.
 *
 * @throws {BackendError} `samples-invalid` naming the field and value; `context-exceeded` when the prompt leaves no room for a
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
  const prompt = encodePrompt(request.input, text, limits);
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

interface PromptLimits {
  readonly contextLength: number;
  readonly vocabularySize: number;
}

function encodePrompt(input: GenerateRequest['input'], text: ModelText, limits: PromptLimits): Int32Array {
  const tokens =
    'messages' in input
      ? encodeChat(input, text, limits)
      : typeof input.prompt === 'string'
        ? encodeText(input.prompt, true, text, limits)
        : input.prompt;
  requireField(tokens.length > 0, 'input', [], 'a prompt of at least one token');
  const bad = tokens.find((id) => id < 0 || id >= limits.vocabularySize);
  requireField(bad === undefined, 'input.prompt', bad, `token ids from 0 to ${limits.vocabularySize - 1}`);
  return tokens;
}

function encodeChat(
  input: Extract<GenerateRequest['input'], { messages: unknown }>,
  text: ModelText,
  limits: PromptLimits,
): Int32Array {
  const { messages, tools = [] } = input;
  requireField(messages.length > 0, 'input.messages', [], 'at least one message');
  const { chatTemplate, tokenizer, directory } = text;
  if (chatTemplate === undefined) {
    throw new BackendError(
      `${directory} has no chat template, so it answers no messages; send a prompt, or add a chat_template.jinja.`,
      { code: 'option-unsupported' },
    );
  }
  const { contextLength } = limits;
  // A template is filled, and the arguments in it are parsed, on the event loop: not for what cannot fit in any case.
  requireRoom(messages.length, 'messages', contextLength, contextLength);
  requireRoom(tools.length, 'tools', contextLength, contextLength);
  const argumentsLength = messages.reduce((sum, message) => sum + lengthOfArguments(message), 0);
  requireRoom(argumentsLength, 'characters of tool arguments', contextLength * tokenizer.longestToken, contextLength);
  return encodeText(chatTemplate.render(messages, tools), false, text, limits); // the template writes its own special tokens
}

/** Encodes a text, unless it cannot fit in the context: the tokenizer holds the event loop for microseconds for each character. */
function encodeText(
  prompt: string,
  addSpecialTokens: boolean,
  { tokenizer }: ModelText,
  { contextLength }: PromptLimits,
): Int32Array {
  requireRoom(prompt.length, 'characters', contextLength * tokenizer.longestToken, contextLength);
  return tokenizer.encode(prompt, addSpecialTokens);
}

function requireRoom(count: number, unit: string, most: number, contextLength: number): void {
  if (count <= most) return;
  throw new BackendError(
    `The prompt has ${count} ${unit} and the context is ${contextLength} tokens, in which at most ${most} can fit; send less.`,
    { code: 'context-exceeded' },
  );
}

function lengthOfArguments(message: ChatMessage): number {
  const calls = message['tool_calls'];
  if (!Array.isArray(calls)) return 0;
  return (calls as readonly { readonly function?: { readonly arguments?: unknown } | null }[]).reduce((sum, call) => {
    const text = call?.function?.arguments;
    return sum + (typeof text === 'string' ? text.length : 0);
  }, 0);
}

/** Maps any integer to a seed that is not negative, as samplers need. */
function toNatural(seed: number | undefined): number | undefined {
  return seed === undefined || seed >= 0 ? seed : seed + Number.MAX_SAFE_INTEGER + 1;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

function requireField(ok: boolean, name: string, value: unknown, expected: string): void {
  if (!ok)
    throw new BackendError(`generate(): ${name} is ${JSON.stringify(value) ?? String(value)}; expected ${expected}.`, {
      code: 'samples-invalid',
    });
}
