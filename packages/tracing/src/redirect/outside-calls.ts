import { subscribe } from 'node:diagnostics_channel';
import { attributeNames } from '@agent-lightning/core';
import { selectAgent } from '../selection/select-agent.ts';
import { activeSpan } from '../scope/active-span.ts';
import { processWide } from '../scope/process-wide.ts';
import { anthropicHeader, hasHeader } from './anthropic-calls.ts';
import { currentRollout, type RolloutScope } from '../scope/rollout-scope.ts';

/** Counts the model calls that one agent of a rollout sent to one host that is not the gateway. */
interface OutsideCalls {
  /** The agent's most specific name; empty for code that no adapter follows. */
  readonly agentName: string;
  readonly host: string;
  readonly dialect: string;
  count: number;
}

/** An HTTP request that is about to be sent, by whatever client. */
interface OutgoingRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  /** Tells whether a client of Anthropic sends it: other services take messages at such a path, too. */
  readonly isAnthropic: boolean;
}

/** Matches the paths of model calls, by the maker of their dialect. */
const modelPaths: readonly (readonly [dialect: string, path: RegExp])[] = [
  ['openai', /\/(chat\/completions|completions|responses)\/?$/],
  ['anthropic', /\/messages\/?$/],
  ['google', /:((streamG|g)enerateContent|(streamR|r)awPredict)$/],
  ['amazon', /\/model\/[^/]+\/(converse|converse-stream|invoke|invoke-with-response-stream)$/],
  ['ollama', /\/api\/(chat|generate)$/],
  ['cohere', /\/v2\/chat$/],
];

const watch = processWide('agentlightning.outside-calls.v2', () => ({
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
  // HTTP/2, by which Amazon's clients ask Bedrock.
  subscribe('http2.client.stream.created', (message) => notice(readHttp2Request(message)));
}

/** Leaves in the trace, for each agent and host, one span that counts the calls. */
export function recordOutsideCalls(scope: RolloutScope): void {
  for (const { agentName, host, dialect, count } of watch.calls.get(scope)?.values() ?? [])
    scope.recorder.record({
      kind: 'operation',
      name: 'model calls outside the gateway',
      attributes: {
        [attributeNames.agentName]: agentName,
        [attributeNames.outsideHost]: host,
        [attributeNames.outsideDialect]: dialect,
        [attributeNames.outsideCalls]: count,
      },
    });
}

function notice(request: OutgoingRequest): void {
  const { method, host } = request;
  const scope = currentRollout();
  const dialect = scope?.llm === undefined || method.toUpperCase() !== 'POST' ? undefined : dialectOf(request);
  if (scope?.llm === undefined || dialect === undefined) return;
  if (host === hostOf(scope.llm.baseUrl)) return;
  const agent = activeSpan(scope)?.agent;
  // An agent that is not selected keeps its model: that is what the user asked for.
  if (agent !== undefined && !selectAgent(agent.names, agent.wrappers).isSelected) return;
  count(scope, agent?.names[0] ?? '', host, dialect);
}

function dialectOf({ path, isAnthropic }: OutgoingRequest): string | undefined {
  const [bare] = path.split('?');
  const dialect = modelPaths.find(([, pattern]) => pattern.test(bare!))?.[0];
  return dialect === 'anthropic' && !isAnthropic ? undefined : dialect;
}

function count(scope: RolloutScope, agentName: string, host: string, dialect: string): void {
  const calls = watch.calls.get(scope) ?? new Map<string, OutsideCalls>();
  watch.calls.set(scope, calls);
  const name = `${host} ${dialect} ${agentName}`;
  const known = calls.get(name) ?? { agentName, host, dialect, count: 0 };
  known.count++;
  calls.set(name, known);
}

function readUndiciRequest(message: unknown): OutgoingRequest {
  const { request } = message as {
    readonly request: {
      readonly method: string;
      readonly path: string;
      readonly origin?: unknown;
      readonly headers?: unknown;
    };
  };
  const { method, path, origin, headers } = request;
  return { method, path, host: hostOf(String(origin)), isAnthropic: hasHeader(headers, anthropicHeader) };
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
  return {
    method: request.method,
    path: request.path,
    host: String(request.getHeader('host') ?? request.host),
    isAnthropic: request.getHeader(anthropicHeader) !== undefined,
  };
}

function readHttp2Request(message: unknown): OutgoingRequest {
  const { headers } = message as { readonly headers: Readonly<Record<string, unknown>> };
  const [method, path, host] = [':method', ':path', ':authority'].map((name) => String(headers[name] ?? ''));
  return { method: method!, path: path!, host: host!, isAnthropic: hasHeader(headers, anthropicHeader) };
}

/** Returns the host of a URL. A watcher must not throw: what is no URL is shown as it is. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
