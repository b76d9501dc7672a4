import { matchesAgent } from '../agent-match.ts';
import { activeSpan, type ActiveSpan } from '../active-span.ts';
import { formatTraceParent } from '../identifiers.ts';
import { currentRollout, type RolloutScope } from '../rollout-scope.ts';
import { wireHeaders } from '../wire-headers.ts';
import { placeCall, redirectCall } from './redirected-call.ts';

type Fetch = typeof fetch;
type FetchArguments = Parameters<Fetch>;

/** The model calls of the OpenAI wire. */
const modelPath = /\/(chat\/completions|completions|responses)\/?(?:[?#]|$)/;

interface Installation {
  readonly original: Fetch;
  readonly redirected: Fetch;
}

// One redirect for all copies of this package in the process: two would rewrite each call twice.
const key: symbol = Symbol.for('agentlightning.fetch-redirect.v1');
const globals = globalThis as unknown as Record<symbol, Installation | undefined>;

/**
 * Puts the redirect in front of `globalThis.fetch`, once per process; returns the function that takes it away again.
 *
 * Inside a rollout that has an endpoint, a POST to `…/chat/completions`, `…/completions` or `…/responses` goes to that endpoint
 * when an adapter says which agent is calling and the agent's `agentMatch` selects it. All else is left alone: calls outside a
 * rollout, of agents that are not selected, and of plain code, which has `context.llm` to aim its client by hand.
 *
 * A client that copied `fetch` before this ran is not reached: import `@agent-lightning/core/register` before it.
 */
export function installFetchRedirect(): () => void {
  const installed = (globals[key] ??= install());
  return () => {
    if (globals[key] !== installed) return;
    globals[key] = undefined;
    // Someone may have wrapped ours since: then it stays in their chain, where it does nothing any more.
    if (globalThis.fetch === installed.redirected) globalThis.fetch = installed.original;
  };
}

function install(): Installation {
  const original = globalThis.fetch;
  const installation: Installation = {
    original,
    redirected: (...call) => {
      const scope = currentRollout();
      if (scope?.llm === undefined || globals[key] !== installation) return original(...call);
      return redirectInRollout(original, scope, call);
    },
  };
  globalThis.fetch = installation.redirected;
  return installation;
}

function redirectInRollout(original: Fetch, scope: RolloutScope, call: FetchArguments): Promise<Response> {
  const { llm, signal } = scope;
  const [input, init] = call;
  const url = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url;
  const path = modelPath.exec(url)?.[1];
  const method = init?.method ?? (input instanceof Request ? input.method : 'GET');
  if (llm === undefined || path === undefined || method.toUpperCase() !== 'POST') return original(...call);
  const span = activeSpan(scope);
  // A call that the agent itself aims at the endpoint keeps its key and body, and gains its place in the trace.
  const isAimed = url.startsWith(`${llm.baseUrl}/`);
  if (!isAimed && (span?.agent === undefined || !matchesAgent(span.agent.names, span.agent.agentMatch)))
    return original(...call);
  const place = { headers: callHeaders(scope, span), signal };
  if (isAimed) return original(input, { ...init, ...placeCall(call, place) });
  return redirectCall(call, path, llm, place).then((redirected) => original(...redirected));
}

function callHeaders({ recorder }: RolloutScope, span: ActiveSpan | undefined): Record<string, string> {
  if (span === undefined) return {};
  const names = span.agent && encodeURIComponent(JSON.stringify(span.agent.names));
  return {
    ...(names !== undefined && { [wireHeaders.agentNames]: names }),
    [wireHeaders.traceParent]: formatTraceParent(recorder.traceId, span.spanId),
  };
}
