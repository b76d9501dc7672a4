import type { ChatRequest } from './scripted-reply.ts';

/** A token of the scripted model: its text, id and log-probability. */
export interface ScriptedToken {
  readonly text: string;
  readonly id: number;
  /** The log-probability in nats; exact in single precision. */
  readonly logprob: number;
}

/** The id that ends every choice except one that stopped by length. */
export const endOfTurnToken: ScriptedToken = { text: '<|end|>', id: 2, logprob: -0.0625 };

/** Cuts text into words with their leading blanks; joining the texts gives the text back. Ids are a hash, so the same word has the same id. */
export function tokenizeScripted(text: string): readonly ScriptedToken[] {
  return (text.match(/\s*\S+|\s+$/gu) ?? []).map((piece) => {
    let hash = 2_166_136_261;
    for (let index = 0; index < piece.length; index += 1) hash = Math.imul(hash ^ piece.charCodeAt(index), 16_777_619);
    const unsigned = hash >>> 0;
    return { text: piece, id: 10 + (unsigned % 50_000), logprob: -(1 + (unsigned % 63)) / 32 };
  });
}

/** Returns the prompt ids that the scripted model reports for a request. */
export function scriptedPromptTokens(request: ChatRequest): readonly number[] {
  const text = request.messages
    .map(
      (message) =>
        `<${message.role}> ${JSON.stringify(message.content ?? null)} ${JSON.stringify(message['tool_calls'] ?? null)}`,
    )
    .join('\n');
  return [1, ...tokenizeScripted(text).map((token) => token.id)];
}

/** Returns the prompt ids that the scripted model reports for a completion: those given, or those of its text. */
export function completionPromptTokens(prompt: unknown): readonly number[] {
  const [first]: readonly unknown[] = Array.isArray(prompt) ? prompt : [prompt];
  if (typeof first === 'number') return prompt as readonly number[];
  return [1, ...tokenizeScripted(typeof first === 'string' ? first : '').map((token) => token.id)];
}

/** Returns the prompt ids of a chat, or of a completion. */
export function promptTokensOf(request: ChatRequest): readonly number[] {
  return 'prompt' in request ? completionPromptTokens(request['prompt']) : scriptedPromptTokens(request);
}
