import { AsyncLocalStorage } from 'node:async_hooks';
import { attributeNames } from '@agent-lightning/core';
import { readWirePrompts, type WirePrompts } from '../found-prompts/prompt-resources.ts';
import { findPromptPlaces, type ModelRoute } from '../found-prompts/prompt-places.ts';
import { replacePrompts, type ReplacedPrompts } from '../found-prompts/replace-prompts.ts';
import type { ActiveSpan } from '../scope/active-span.ts';
import { processWide } from '../scope/process-wide.ts';
import type { RolloutScope } from '../scope/rollout-scope.ts';
import { findServed } from '../scope/serving-scope.ts';
import { isLive, writeTrace } from '../scope/untraceable.ts';

/** Says what becomes of the texts in one model call of a selected agent. */
export interface CallPrompts extends WirePrompts {
  readonly route: ModelRoute;
  readonly scope: RolloutScope;
  readonly span: ActiveSpan;
}

/** Returns what is to be done with the texts in a call of a selected agent; undefined when nothing is. */
export function findCallPrompts(
  route: ModelRoute,
  scope: RolloutScope,
  span: ActiveSpan | undefined,
): CallPrompts | undefined {
  if (span?.agent === undefined || passed.getStore() === true) return undefined;
  const { names, wrappers } = span.agent;
  // In production the wrappers say which texts are served, in a training the rollout.
  const resources = isLive(scope) ? findServed(wrappers)?.resources : scope.resources;
  const found = resources && writeTrace(scope, () => readWirePrompts(resources));
  if (found === undefined || (found.replacements.length === 0 && found.watched.size === 0)) return undefined;
  const replacements = found.replacements.filter(
    ({ prompt }) => prompt.agent === undefined || names.includes(prompt.agent),
  );
  return { route, scope, span, watched: found.watched, replacements };
}

/** Marks the code that sends a call whose texts were dealt with: its way leads through `fetch`, and then through the dispatcher. */
const passed = processWide('agentlightning.prompted-call.v1', () => new AsyncLocalStorage<true>());

/** Sends a call whose texts were dealt with. */
export function sendPrompted<Result>(send: () => Result): Result {
  return passed.run(true, send);
}

/** Returns the body with the texts that the rollout has, and writes down what was put in, or what stands there. */
export function promptBody({ route, scope, span, replacements, watched }: CallPrompts, body: string): string {
  const replaced = writeTrace(scope, () => {
    if (watched.size > 0) recordPlaces(route, scope, span, watched, body);
    if (replacements.length === 0) return undefined;
    const result = replacePrompts(route, body, replacements);
    if (!isLive(scope)) recordReplaced(scope, span, result);
    return result;
  });
  return replaced?.body ?? body;
}

function recordReplaced(
  { recorder, rollout }: RolloutScope,
  { spanId }: ActiveSpan,
  { replaced, missing }: ReplacedPrompts,
): void {
  recorder.record({
    kind: 'object',
    name: 'prompts of a model call',
    parentSpanId: spanId,
    attributes: {
      [attributeNames.promptName]: replaced,
      ...(missing.length > 0 && { [attributeNames.promptMissing]: missing }),
      ...(rollout.resourcesId !== undefined && { [attributeNames.promptResources]: rollout.resourcesId }),
    },
  });
}

function recordPlaces(
  route: ModelRoute,
  { recorder }: RolloutScope,
  { spanId, agent }: ActiveSpan,
  watched: WirePrompts['watched'],
  body: string,
): void {
  const places = findPromptPlaces(route, body, watched).map(({ kind, tool, parameter, text }) => {
    return { kind, tool, parameter, text };
  });
  recorder.record({
    kind: 'object',
    name: 'texts of a model call',
    parentSpanId: spanId,
    attributes: {
      [attributeNames.promptName]: [],
      [attributeNames.promptPlaces]: JSON.stringify(places),
      [attributeNames.agentNames]: agent?.names ?? [],
    },
  });
}

type FetchArguments = Parameters<typeof fetch>;

/** Returns the same call with other texts in its body, and the call itself where they stay. A body that can be read once alone, such as a stream, stays as it is. */
export function promptCall(prompts: CallPrompts, call: FetchArguments): FetchArguments | Promise<FetchArguments> {
  const [input, init] = call;
  const given = init?.body;
  if (typeof given === 'string') return withBody(call, given, promptBody(prompts, given));
  if (ArrayBuffer.isView(given) || given instanceof ArrayBuffer) {
    const text = new TextDecoder().decode(given as NodeJS.ArrayBufferView | ArrayBuffer);
    return withBody(call, text, promptBody(prompts, text));
  }
  const readable =
    given instanceof Blob
      ? given
      : (given === undefined || given === null) && input instanceof Request
        ? input.clone()
        : undefined;
  if (readable === undefined) return call;
  return readable.text().then((text) => withBody(call, text, promptBody(prompts, text)));
}

function withBody(call: FetchArguments, before: string, body: string): FetchArguments {
  if (body === before) return call;
  const [input, init] = call;
  const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
  headers.delete('content-length');
  return [input, { ...init, headers, body }];
}
