/** Completes scripted replies to what vLLM 0.32 sends: fields that no request of ours asks for, most of them null. */

type Fields = Record<string, unknown>;

const transfers = { kv_transfer_params: null, ec_transfer_params: null, metrics: null };
const fingerprint = { system_fingerprint: 'vllm-0.32.0-fake' };
const message = { refusal: null, annotations: null, audio: null, function_call: null, reasoning: null };

/** Completes a whole reply, or a chunk of a stream. @param promptLogprobs what `prompt_logprobs` asked for, by position */
export function withVllmFields(payload: Fields, promptLogprobs: readonly unknown[] | null): Fields {
  if (payload['object'] === 'chat.completion') return completeChat(payload, promptLogprobs);
  if (payload['object'] === 'chat.completion.chunk') return completeChunk(payload);
  const isChunk = !('usage' in payload) || choicesOf(payload).length === 0;
  return isChunk ? payload : completeText(payload, promptLogprobs);
}

function completeChat(payload: Fields, promptLogprobs: readonly unknown[] | null): Fields {
  return {
    ...payload,
    choices: choicesOf(payload).map((choice) => ({
      ...choice,
      message: { ...message, ...(choice['message'] as Fields) },
      stop_reason: null,
      token_ids: choice['token_ids'] ?? null,
      routed_experts: null,
    })),
    service_tier: null,
    ...fingerprint,
    usage: usageOf(payload),
    prompt_logprobs: promptLogprobs,
    prompt_token_ids: payload['prompt_token_ids'] ?? null,
    prompt_text: null,
    ...transfers,
  };
}

function completeChunk(payload: Fields): Fields {
  const choices = choicesOf(payload);
  if (choices.length === 0) return { ...payload, ...fingerprint };
  const isOpening = (choices[0]!['delta'] as Fields)['role'] !== undefined;
  return {
    ...payload,
    choices: choices.map((choice) => (choice['finish_reason'] === null ? choice : { ...choice, stop_reason: null })),
    ...(isOpening ? { prompt_text: null } : {}),
  };
}

function completeText(payload: Fields, promptLogprobs: readonly unknown[] | null): Fields {
  return {
    ...payload,
    choices: choicesOf(payload).map((choice) => ({
      ...choice,
      stop_reason: null,
      token_ids: choice['token_ids'] ?? null,
      prompt_logprobs: promptLogprobs,
      prompt_token_ids: choice['prompt_token_ids'] ?? null,
      routed_experts: null,
    })),
    service_tier: null,
    ...fingerprint,
    usage: usageOf(payload),
    ...transfers,
  };
}

function usageOf(payload: Fields): Fields {
  return { ...(payload['usage'] as Fields), prompt_tokens_details: null, completion_tokens_details: null };
}

function choicesOf(payload: Fields): readonly Fields[] {
  return payload['choices'] as readonly Fields[];
}

/** Replaces paths in an error's text, as vLLM 0.32 does: those under the usual roots, and names of files. */
export function maskPaths(text: string): string {
  return text
    .replaceAll(/\/(?:home|usr|opt|var|tmp|root|lib|mnt|srv)(?:\/[\w.-]+)+/g, '<path>')
    .replaceAll(/(?:\/[\w-]+)+\/[\w-]+\.\w+/g, '<path>');
}
