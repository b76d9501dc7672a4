import type { LlmEndpoint } from '@agent-lightning/core';

/** The place of a call in its rollout. */
export interface CallPlace {
  /** Headers that are added to the request's own. */
  readonly headers: Readonly<Record<string, string>>;
  /** Aborts when the attempt is over. */
  readonly signal: AbortSignal;
}

type FetchArguments = Parameters<typeof fetch>;

// Credentials and routing of the call's own provider, which another server has no business to see.
const providerHeaders = [
  'authorization',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'openai-organization',
  'openai-project',
  'cookie',
  'content-length',
  'host',
];

/** Returns the same call to the rollout's endpoint: its path, key and model; the rest of the body is left as it was. */
export async function redirectCall(
  call: FetchArguments,
  path: string,
  llm: LlmEndpoint,
  place: CallPlace,
): Promise<FetchArguments> {
  const [input, init] = call;
  const { headers, signal } = placeCall(call, place);
  for (const name of providerHeaders) headers.delete(name);
  headers.set('authorization', `Bearer ${llm.apiKey}`);
  const body = await readBody(init?.body ?? (input instanceof Request ? input.body : undefined));
  return [
    `${llm.baseUrl}/${path}`,
    {
      // No `dispatcher`: a proxy that leads to the provider does not lead to the gateway.
      method: 'POST',
      headers,
      signal,
      ...(body !== undefined && { body: typeof body === 'string' ? replaceModel(body, llm.model) : body }),
    },
  ];
}

/** Returns the call's own headers and more, and its own signal joined with the attempt's. */
export function placeCall(
  [input, init]: FetchArguments,
  place: CallPlace,
): { readonly headers: Headers; readonly signal: AbortSignal } {
  const request = input instanceof Request ? input : undefined;
  const headers = new Headers(init?.headers ?? request?.headers);
  for (const [name, value] of Object.entries(place.headers)) headers.set(name, value);
  return { headers, signal: joinSignals(place.signal, init?.signal ?? request?.signal) };
}

/** Reads a body as text where it is text. A form and bytes that are no text are returned as they are; the gateway rejects what it cannot read. */
async function readBody(
  body: RequestInit['body'] | null,
): Promise<string | NonNullable<RequestInit['body']> | undefined> {
  if (body === null || body === undefined) return undefined;
  if (typeof body === 'string') return body;
  if (body instanceof FormData || body instanceof URLSearchParams) return body;
  const bytes = new Uint8Array(await new Response(body).arrayBuffer());
  return decodeText(bytes) ?? bytes;
}

/** Decodes UTF-8; undefined for bytes that are none, such as those of a compressed body. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

// How OpenAI's clients begin a body; then the model is replaced without reading the rest.
const leadingModel = /^\{"model":"[^"\\]*"/;

/** Returns the same JSON object with another `model`; a text that is not a JSON object is left as it is. */
export function replaceModel(body: string, model: string): string {
  if (leadingModel.test(body)) return body.replace(leadingModel, () => `{"model":${JSON.stringify(model)}`);
  const parsed = parseObject(body);
  return parsed === undefined ? body : JSON.stringify({ ...parsed, model });
}

function parseObject(body: string): object | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined; // not JSON: the gateway refuses it by name
  }
}

function joinSignals(attempt: AbortSignal, own: AbortSignal | null | undefined): AbortSignal {
  return own === null || own === undefined ? attempt : AbortSignal.any([attempt, own]);
}
