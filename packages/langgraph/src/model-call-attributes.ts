import { attributeNames, type AttributeValue } from '@agent-lightning/core';
import type { LLMResult } from '@langchain/core/outputs';

type Mutable = Record<string, AttributeValue>;

/** What LangChain says of a model call when it begins. Messages are left out: the gateway keeps them as they went over the wire. */
export function requestAttributes(
  operation: 'chat' | 'text_completion',
  names: readonly string[],
  extraParams: Record<string, unknown> | undefined,
): Mutable {
  const { model, temperature } = (extraParams?.['invocation_params'] ?? {}) as {
    readonly model?: unknown;
    readonly temperature?: unknown;
  };
  const attributes: Mutable = {
    [attributeNames.source]: 'framework',
    [attributeNames.operationName]: operation,
    [attributeNames.agentNames]: names,
  };
  if (typeof model === 'string') attributes[attributeNames.requestModel] = model;
  if (isNumber(temperature)) attributes[attributeNames.requestTemperature] = temperature;
  return attributes;
}

/** The parts of an AIMessage that are read, for every version and copy of LangChain. */
interface ResponseMessage {
  readonly id?: unknown;
  readonly response_metadata?: Readonly<Record<string, unknown>>;
  readonly usage_metadata?: { readonly input_tokens?: unknown; readonly output_tokens?: unknown };
}

/** What LangChain says of the answer: above all the response id, by which this span is joined with the gateway's. */
export function responseAttributes(output: LLMResult, extraParams: Record<string, unknown> | undefined): Mutable {
  const generation = output.generations[0]?.[0] as
    | { readonly message?: ResponseMessage; readonly generationInfo?: Record<string, unknown> }
    | undefined;
  const message = generation?.message;
  const metadata = message?.response_metadata ?? {};
  const attributes: Mutable = {};
  const responseId = readResponseId(message);
  if (responseId !== undefined) attributes[attributeNames.responseId] = responseId;
  const model = metadata['model_name'] ?? metadata['model'];
  if (typeof model === 'string') attributes[attributeNames.responseModel] = model;
  const reason = metadata['finish_reason'] ?? generation?.generationInfo?.['finish_reason'];
  if (typeof reason === 'string') attributes[attributeNames.finishReasons] = [reason];
  const { input_tokens: input, output_tokens: sampled } = message?.usage_metadata ?? {};
  if (isNumber(input)) attributes[attributeNames.inputTokens] = input;
  if (isNumber(sampled)) attributes[attributeNames.outputTokens] = sampled;
  if (extraParams?.['cached'] === true)
    attributes[attributeNames.untrainable] = 'answered from LangChain’s cache: no model was asked';
  return attributes;
}

/** The id that the server gave; LangChain makes up `run-…` where it gave none. The responses API has its own beside the message's. */
function readResponseId(message: ResponseMessage | undefined): string | undefined {
  const candidates = [message?.response_metadata?.['id'], message?.id];
  return candidates.find(
    (id): id is string => typeof id === 'string' && id !== '' && !id.startsWith('run-') && !id.startsWith('msg_'),
  );
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
