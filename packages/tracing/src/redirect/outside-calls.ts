import { subscribe } from 'node:diagnostics_channel';
import { attributeNames } from '@agent-lightning/core';
import { selectAgent } from '../selection/select-agent.ts';
import { activeSpan } from '../scope/active-span.ts';
import { processWide } from '../scope/process-wide.ts';
import { currentRollout, type RolloutScope } from '../scope/rollout-scope.ts';

/** Counts the model calls that one agent of a rollout sent to one host that is not the gateway. */
interface OutsideCalls {
  /** The agent's most specific name; empty for code that no adapter follows. */
  readonly agentName: string;
  readonly host: string;
  count: number;
}

/** An HTTP request that is about to be sent, by whatever client. */
interface OutgoingRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
}

/** The paths of model calls: of OpenAI, Anthropic, Gemini and Vertex, Bedrock, Ollama and Cohere. */
const modelPaths: RegExp =
  /\/(chat\/completions|completions|responses|messages|api\/chat|api\/generate|v2\/chat)\/?$|:(streamG|g)enerateContent$|:(streamR|r)awPredict$|\/model\/[^/]+\/(converse|converse-stream|invoke|invoke-with-response-stream)$/;

const watch = processWide('agentlightning.outside-calls.v1', () => ({
  hasBegun: false,
  calls: new WeakMap<RolloutScope, Map<string, OutsideCalls>>(),
}));

/**
 * Watches the HTTP requests of this process, once, for model calls that a rollout sends elsewhere than to its endpoint: by a client with
 * a `fetch` of its own, in a dialect that is not redirected, or outside every wrapped agent. It changes no request.
 */
export function watchOutsideCalls(): void {
  if (watch.hasBegun) return;
  watch.hasBegun = true;
  // Node's own fetch, and undici where the app has installed it.
  subscribe('undici:request:create', (message) => notice(readUndiciRequest(message)));
  subscribe('http.client.request.start', (message) => notice(readHttpRequest(message)));
}

/** Leaves in the trace, for each agent and host, one span that counts the calls. */
export function recordOutsideCalls(scope: RolloutScope): void {
  for (const { agentName, host, count } of watch.calls.get(scope)?.values() ?? [])
    scope.recorder.record({
      kind: 'operation',
      name: 'model calls outside the gateway',
      attributes: {
        [attributeNames.agentName]: agentName,
        [attributeNames.outsideHost]: host,
        [attributeNames.outsideCalls]: count,
      },
    });
}

function notice({ method, host, path }: OutgoingRequest): void {
  const scope = currentRollout();
  if (scope?.llm === undefined || method.toUpperCase() !== 'POST' || !modelPaths.test(path.split('?')[0]!)) return;
  if (host === hostOf(scope.llm.baseUrl)) return;
  const agent = activeSpan(scope)?.agent;
  // An agent that is not selected keeps its model: that is what the user asked for.
  if (agent !== undefined && !selectAgent(agent.names, agent.wrappers).isSelected) return;
  count(scope, agent?.names[0] ?? '', host);
}

function count(scope: RolloutScope, agentName: string, host: string): void {
  const calls = watch.calls.get(scope) ?? new Map<string, OutsideCalls>();
  watch.calls.set(scope, calls);
  const name = `${host} ${agentName}`;
  const known = calls.get(name) ?? { agentName, host, count: 0 };
  known.count++;
  calls.set(name, known);
}

function readUndiciRequest(message: unknown): OutgoingRequest {
  const { request } = message as {
    readonly request: { readonly method: string; readonly path: string; readonly origin?: unknown };
  };
  return { method: request.method, path: request.path, host: hostOf(String(request.origin)) };
}

function readHttpRequest(message: unknown): OutgoingRequest {
  const { request } = message as {
    readonly request: {
      readonly method: string;
      readonly path: string;
      readonly host: string;
      getHeader(name: string): unknown;
    };
  };
  return { method: request.method, path: request.path, host: String(request.getHeader('host') ?? request.host) };
}

/** Returns the host of a URL. A watcher must not throw: what is no URL is shown as it is. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
