import type { LlmEndpoint } from '@agent-lightning/core';
import { selectAgent } from '../selection/select-agent.ts';
import { formatTraceParent } from '../writing/identifiers.ts';
import { activeSpan, type ActiveSpan } from '../scope/active-span.ts';
import { processWide } from '../scope/process-wide.ts';
import { currentRollout, type RolloutScope } from '../scope/rollout-scope.ts';
import { encodeAgentNames, gatewayHeaders } from '../adapter-kit/gateway-headers.ts';
import { interceptDispatchers } from './early-fetch.ts';
import { anthropicBaseUrl, anthropicHeader, hasHeader } from './anthropic-calls.ts';
import { findCallPrompts, promptCall, sendPrompted, type CallPrompts } from './prompted-call.ts';
import { placeCall, redirectCall, type CallPlace } from './redirected-call.ts';
import type { ModelRoute } from '../found-prompts/prompt-places.ts';
import { modelPaths } from './outside-calls.ts';
import { admitCall } from '../spending/model-meter.ts';

type Fetch = typeof fetch;
type FetchArguments = Parameters<Fetch>;

/** Matches the URLs of model calls in the dialects that a gateway serves. */
const servedPath = /\/(chat\/completions|completions|responses|messages)\/?(?:[?#]|$)/;

interface Installation {
  readonly original: Fetch;
  readonly redirected: Fetch;
  readonly restoreDispatchers: () => void;
}

/** A model call that the rollout which the code runs in has a say in. */
export interface ClaimedCall {
  readonly path: ModelRoute;
  /** The endpoint that answers; undefined for a call that keeps its own model. */
  readonly llm: LlmEndpoint | undefined;
  readonly place: CallPlace;
  /** Tells whether the agent itself aims the call at the endpoint: then it keeps its key and body, and gains its place in the trace. */
  readonly isAimed: boolean;
  /** What becomes of the texts in its body; undefined when they stay. */
  readonly prompts: CallPrompts | undefined;
}

// One redirect for all copies of this package in the process: two would rewrite each call twice.
const current = processWide('agentlightning.fetch-redirect.v1', (): { installation?: Installation } => ({}));

/**
 * Puts the redirect in front of `globalThis.fetch`, once per process; returns the function that takes it away again.
 *
 * Inside a rollout that has an endpoint, a POST to `…/chat/completions`, `…/completions`, `…/responses` or, by a client of Anthropic,
 * `…/messages` goes to that endpoint when an adapter says which agent is calling and the agent's `agentMatch` selects it. All else is left alone: calls outside a
 * rollout, of agents that are not selected, and of plain code, which has `context.llm` to aim its client by hand.
 *
 * A client that copied Node's own `fetch` before this ran is reached through Node's dispatcher. One with a `fetch` of its own is not.
 */
export function installFetchRedirect(): () => void {
  const installed = (current.installation ??= install());
  return () => {
    if (current.installation !== installed) return;
    delete current.installation;
    installed.restoreDispatchers();
    // Someone may have wrapped ours since: then it stays in their chain, where it does nothing any more.
    if (globalThis.fetch === installed.redirected) globalThis.fetch = installed.original;
  };
}

function install(): Installation {
  const original = globalThis.fetch;
  const installation: Installation = {
    original,
    redirected: (...call) => (current.installation === installation ? redirect(original, call) : original(...call)),
    restoreDispatchers: interceptDispatchers(claimCall),
  };
  globalThis.fetch = installation.redirected;
  return installation;
}

function redirect(original: Fetch, call: FetchArguments): Promise<Response> {
  const [input, init] = call;
  const url = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url;
  const request = input instanceof Request ? input : undefined;
  const method = init?.method ?? request?.method ?? 'GET';
  const refusal = findRefusal(url, method);
  if (refusal !== undefined) return Promise.reject(refusal.error);
  const claimed = claimCall(url, method, init?.headers ?? request?.headers);
  if (claimed === undefined) return original(...call);
  const prompted = claimed.prompts === undefined ? call : promptCall(claimed.prompts, call);
  return prompted instanceof Promise
    ? prompted.then((read) => send(original, read, claimed))
    : send(original, prompted, claimed);
}

function send(original: Fetch, call: FetchArguments, { path, llm, place, isAimed }: ClaimedCall): Promise<Response> {
  const [input, init] = call;
  if (llm === undefined) return sendPrompted(() => original(...call));
  if (isAimed) return sendPrompted(() => original(input, { ...init, ...placeCall(call, place) }));
  return redirectCall(call, path, llm, place).then((redirected) => sendPrompted(() => original(...redirected)));
}

/** Returns the error by which a model call of a rollout is refused, once its run is at a limit; undefined for a call that may be made. */
function findRefusal(url: string, method: string): { readonly error: unknown } | undefined {
  if (currentRollout() === undefined || method.toUpperCase() !== 'POST') return undefined;
  if (!modelPaths.test(url.split(/[?#]/)[0]!)) return undefined;
  try {
    admitCall('agent', undefined);
    return undefined;
  } catch (error) {
    return { error };
  }
}

/** Returns what the current rollout does with a call, or undefined for a call that is left alone. */
function claimCall(url: string, method: string, headers: unknown): ClaimedCall | undefined {
  const scope = currentRollout();
  if (scope === undefined || method.toUpperCase() !== 'POST') return undefined;
  const { llm, signal } = scope;
  const path = servedPath.exec(url)?.[1] as ModelRoute | undefined;
  if (path === undefined) return undefined;
  const isAimed = llm !== undefined && url.startsWith(`${anthropicBaseUrl(llm)}/`);
  if (!isAimed && path === 'messages' && !hasHeader(headers, anthropicHeader)) return undefined;
  const span = activeSpan(scope);
  const isSelected = span?.agent !== undefined && selectAgent(span.agent.names, span.agent.wrappers).isSelected;
  if (!isAimed && !isSelected) return undefined;
  const prompts = isSelected ? findCallPrompts(path, scope, span) : undefined;
  if (llm === undefined && prompts === undefined) return undefined;
  return { path, llm, place: { headers: callHeaders(scope, span), signal }, isAimed, prompts };
}

function callHeaders({ recorder }: RolloutScope, span: ActiveSpan | undefined): Record<string, string> {
  if (span === undefined) return {};
  const names = span.agent && encodeAgentNames(span.agent.names);
  return {
    ...(names !== undefined && { [gatewayHeaders.agentNames]: names }),
    [gatewayHeaders.traceParent]: formatTraceParent(recorder.traceId, span.spanId),
  };
}
