import { subscribe } from 'node:diagnostics_channel';
import { attributeNames } from '@agent-lightning/core';
import { selectAgent } from '../selection/select-agent.ts';
import { activeSpan } from '../scope/active-span.ts';
import { processWide } from '../scope/process-wide.ts';
import { currentRollout, type RolloutScope } from '../scope/rollout-scope.ts';

/** Counts the model calls that one agent of a rollout sent to one host that is not the gateway, by one client. */
interface OutsideCalls {
  /** The agent's most telling name; empty for code that no adapter follows. */
  readonly agentName: string;
  /** Tells whether the calls should have gone to the policy; undefined for code that no adapter follows. */
  readonly isSelected: boolean | undefined;
  readonly host: string;
  /** The client by its own word, such as `OpenAI/JS`; empty where it gave none. */
  readonly client: string;
  count: number;
}

/** An HTTP request that is about to be sent, by whatever client. */
interface OutgoingRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly userAgent: unknown;
}

/** The paths of model calls; other services take messages too, at other paths than Anthropic's: of OpenAI, Anthropic, Gemini and Vertex, Bedrock, Ollama and Cohere. */
export const modelPaths: RegExp =
  /\/(chat\/completions|completions|responses|v1\/messages|api\/chat|api\/generate|v2\/chat)\/?$|:(streamG|g)enerateContent$|:(streamR|r)awPredict$|\/model\/[^/]+\/(converse|converse-stream|invoke|invoke-with-response-stream)$/;

/** The paths of calls that give vectors or an order, which no policy answers. */
const embeddingPaths: RegExp =
  /\/(embeddings|embed|api\/embed|v2\/embed|rerank|v2\/rerank)\/?$|:(batchE|e)mbedContents?$/;

const watch = processWide('agentlightning.outside-calls.v2', () => ({
  hasBegun: false,
  calls: new WeakMap<RolloutScope, Map<string, OutsideCalls>>(),
}));

/**
 * Watches the HTTP requests of this process, once, for model calls that a rollout sends elsewhere than to its endpoint: by a client with
 * a `fetch` of its own, in a dialect that is not redirected, by an agent that keeps its model, or outside every wrapped agent. It changes no request.
 */
export function watchOutsideCalls(): void {
  if (watch.hasBegun) return;
  watch.hasBegun = true;
  // Node's own fetch, and undici where the app has installed it.
  subscribe('undici:request:create', (message) => notice(() => readUndiciRequest(message)));
  subscribe('http.client.request.start', (message) => notice(() => readHttpRequest(message)));
  subscribe('http2.client.stream.created', (message) => notice(() => readHttp2Request(message)));
}

/** Leaves in the trace, for each agent, host and client, one span that counts the calls. */
export function recordOutsideCalls(scope: RolloutScope): void {
  for (const { agentName, isSelected, host, client, count } of watch.calls.get(scope)?.values() ?? [])
    scope.recorder.record({
      kind: 'operation',
      name: 'model calls outside the gateway',
      attributes: {
        [attributeNames.agentName]: agentName,
        ...(isSelected !== undefined && { [attributeNames.agentSelected]: isSelected }),
        [attributeNames.outsideHost]: host,
        ...(client !== '' && { [attributeNames.outsideClient]: client }),
        [attributeNames.outsideCalls]: count,
      },
    });
}

/** Counts a request where it is a model call of a rollout. The request is read inside a rollout only. */
function notice(read: () => OutgoingRequest): void {
  const scope = currentRollout();
  if (scope?.llm === undefined) return;
  const { method, host, path, userAgent } = read();
  if (method.toUpperCase() !== 'POST' || host === hostOf(scope.llm.baseUrl)) return;
  const route = path.split('?')[0]!;
  const isEmbedding = embeddingPaths.test(route);
  if (!isEmbedding && !modelPaths.test(route)) return;
  const agent = activeSpan(scope)?.agent;
  // Of an agent that nobody wrapped, and one that is not selected, the calls keep their model: that is what the user asked for.
  const isSelected = agent && !isEmbedding && selectAgent(agent.names, agent.wrappers).isSelected;
  count(scope, { agentName: agent?.names[0] ?? '', isSelected, host, client: clientOf(userAgent) });
}

function count(scope: RolloutScope, call: Omit<OutsideCalls, 'count'>): void {
  const calls = watch.calls.get(scope) ?? new Map<string, OutsideCalls>();
  watch.calls.set(scope, calls);
  const name = JSON.stringify([call.agentName, call.isSelected, call.host, call.client]);
  const known = calls.get(name) ?? { ...call, count: 0 };
  known.count++;
  calls.set(name, known);
}

const longestClient = 40;

/** Returns what a client calls itself, without versions: `OpenAI/JS` of `OpenAI/JS 6.1.0`. */
function clientOf(userAgent: unknown): string {
  if (typeof userAgent !== 'string') return '';
  const [first = ''] = userAgent.trim().split(/[\s(]/);
  return first.replace(/\/v?\d[\w.+-]*$/, '').slice(0, longestClient);
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
  return { method, path, host: hostOf(String(origin)), userAgent: userAgentOf(headers) };
}

/** Reads the header from undici's list of names and values, or from the text that undici made of them before. */
function userAgentOf(headers: unknown): unknown {
  if (typeof headers === 'string') return /^user-agent: (.*)\r$/im.exec(headers)?.[1];
  if (!Array.isArray(headers)) return undefined;
  const index = headers.findIndex(
    (name, position) => position % 2 === 0 && String(name).toLowerCase() === 'user-agent',
  );
  return index < 0 ? undefined : String(headers[index + 1]);
}

function readHttp2Request(message: unknown): OutgoingRequest {
  const { headers = {} } = message as { readonly headers?: Readonly<Record<string, unknown>> };
  return {
    method: String(headers[':method'] ?? 'GET'),
    path: String(headers[':path'] ?? '/'),
    host: String(headers[':authority'] ?? headers['host'] ?? ''),
    userAgent: headers['user-agent'],
  };
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
    userAgent: request.getHeader('user-agent'),
  };
}

/** Returns the host of a URL. A watcher must not throw: what is no URL is shown as it is. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
