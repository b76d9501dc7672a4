import { AsyncLocalStorage } from 'node:async_hooks';
import { choosePrompts, promptBody } from '../found-prompts/prompt-call.ts';
import { readWirePrompts, type WirePrompts } from '../found-prompts/prompt-resources.ts';
import type { ModelRoute } from '../found-prompts/prompt-places.ts';
import type { ActiveSpan } from '../scope/active-span.ts';
import { processWide } from '../scope/process-wide.ts';
import type { RolloutScope } from '../scope/rollout-scope.ts';
import { findServed } from '../scope/serving-scope.ts';
import { isLive, writeTrace } from '../scope/untraceable.ts';
import { decodeText } from './redirected-call.ts';

/** Says what becomes of the texts in one model call of a selected agent. */
export interface CallPrompts {
  readonly prompts: WirePrompts;
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
  const resources = isLive(scope) ? findServed(wrappers, names)?.resources : scope.resources;
  const found = resources && writeTrace(scope, () => readWirePrompts(resources));
  if (found === undefined || (found.replacements.length === 0 && found.watched.size === 0)) return undefined;
  return { route, scope, span, prompts: choosePrompts(found, names) };
}

/** Marks the code that sends a call whose texts were dealt with: its way leads through `fetch`, and then through the dispatcher. */
const passed = processWide('agentlightning.prompted-call.v1', () => new AsyncLocalStorage<true>());

/** Sends a call whose texts were dealt with. */
export function sendPrompted<Result>(send: () => Result): Result {
  return passed.run(true, send);
}

/** Returns the body with the texts that the rollout has, and writes down what was put in, or what stands there. */
function promptText({ route, scope, span, prompts }: CallPrompts, body: string): string {
  const { recorder, rollout } = scope;
  const call = { route, agentNames: span.agent?.names ?? [], prompts, resourcesId: rollout.resourcesId };
  const prompted = writeTrace(scope, () => {
    const { body: changed, records } = promptBody(call, body);
    if (!isLive(scope))
      for (const record of records) recorder.record({ kind: 'object', parentSpanId: span.spanId, ...record });
    return changed;
  });
  return prompted ?? body;
}

/** Returns a body with the texts that the rollout has; undefined where none changes, or where its bytes are no UTF-8, as in a compressed body. */
export function promptBytes(prompts: CallPrompts, bytes: Uint8Array): string | undefined {
  const text = decodeText(bytes);
  if (text === undefined) return undefined;
  const changed = promptText(prompts, text);
  return changed === text ? undefined : changed;
}

type FetchArguments = Parameters<typeof fetch>;

/** Returns the same call with other texts in its body, and the call itself where they stay. A body that can be read once alone, such as a stream, stays as it is. */
export function promptCall(prompts: CallPrompts, call: FetchArguments): FetchArguments | Promise<FetchArguments> {
  const [input, init] = call;
  const given = init?.body;
  if (typeof given === 'string') return withBody(call, promptText(prompts, given));
  const withBytes = (bytes: Uint8Array): FetchArguments => withBody(call, promptBytes(prompts, bytes));
  if (given instanceof ArrayBuffer) return withBytes(new Uint8Array(given));
  if (ArrayBuffer.isView(given)) return withBytes(new Uint8Array(given.buffer, given.byteOffset, given.byteLength));
  const readable =
    given instanceof Blob
      ? given
      : (given === undefined || given === null) && input instanceof Request
        ? input.clone()
        : undefined;
  if (readable === undefined) return call;
  return readable.arrayBuffer().then((buffer) => withBytes(new Uint8Array(buffer)));
}

function withBody(call: FetchArguments, body: string | undefined): FetchArguments {
  const [input, init] = call;
  if (body === undefined || body === init?.body) return call;
  const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
  headers.delete('content-length');
  return [input, { ...init, headers, body }];
}
