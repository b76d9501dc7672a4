import { operationTable, type OperationName } from '@agent-lightning/store';
import type { Exchange } from '../http/exchange.ts';
import { errorToJson } from '../http/error-reply.ts';
import { RequestError } from '../http/request-error.ts';
import type { RouteSet } from '../http/route.ts';
import { roles } from '../keys/caller.ts';
import type { ApiMetrics } from './api-metrics.ts';
import { operationRoles } from './operation-roles.ts';
import { performCall, type CallRules, type GivenCall } from './perform-call.ts';
import { ReplyMemory } from './reply-memory.ts';

const prefix = '/v1/store/';
/** The longest time that one request waits: what stands between cuts connections that are silent for a minute. */
const longestWaitMs = 30_000;
const mostCalls = 1_000;

export interface StoreApiOptions extends CallRules {
  /** Names this start of the server; calls that were sent to the one before it may be unknown here. */
  readonly instance: string;
  readonly metrics: ApiMetrics;
}

/** Serves every operation of the table: one at `POST /v1/store/<operation>`, many in order at `POST /v1/store/calls`, their list at `GET /v1/store`. */
export function storeRoutes(options: StoreApiOptions): RouteSet {
  const api = new StoreApi(options);
  return ({ method, path }) => {
    if (path === '/v1/store' && method === 'GET')
      return { roles, answer: (exchange) => exchange.json(describeOperations()) };
    if (!path.startsWith(prefix)) return undefined;
    const name = path.slice(prefix.length);
    if (name !== 'calls' && !isOperation(name)) return undefined;
    if (method !== 'POST')
      throw new RequestError(`use POST here, not ${method}`, {
        code: 'not-found',
        status: 405,
        headers: { allow: 'POST' },
      });
    return {
      roles,
      answer: (exchange) => (isOperation(name) ? api.answerOne(name, exchange) : api.answerMany(exchange)),
    };
  };
}

class StoreApi {
  readonly #options: StoreApiOptions;
  readonly #memory: ReplyMemory<unknown> = new ReplyMemory();

  constructor(options: StoreApiOptions) {
    this.#options = options;
  }

  async answerOne(name: OperationName, exchange: Exchange): Promise<void> {
    const isWait = operationTable[name].kind === 'wait';
    const body = await exchange.readJson();
    const named = isWait ? limitWait(body) : body;
    const id = readId('the header idempotency-key', exchange.headers['idempotency-key']);
    const ends = isWait ? { signal: AbortSignal.any([exchange.signal, exchange.draining]) } : {};
    const call = { name, named, caller: exchange.caller, ...ends };
    try {
      exchange.json(await this.#perform(call, id));
    } catch (error) {
      if (!exchange.draining.aborted || !isWait) throw error;
      throw new RequestError('the server is ending; ask again', {
        code: 'store-unavailable',
        retryable: true,
        cause: error,
      });
    }
  }

  /** Begins all calls in their order, and answers when the last one is done. One that fails fails alone. */
  async answerMany(exchange: Exchange): Promise<void> {
    const { calls, sentTo } = readCalls(await exchange.readJson());
    const isLost = sentTo !== undefined && sentTo !== this.#options.instance;
    const replies = calls.map(async ({ operation: name, id, arguments: named }) => {
      try {
        // Of the others, doing it again is right: what the server before this one may have done leaves no trace that counts twice.
        if (isLost && name === 'putResources') throw unknownOutcome();
        return { value: await this.#perform({ name, named, caller: exchange.caller }, id) };
      } catch (error) {
        return { error: errorToJson(error) };
      }
    });
    exchange.json({ replies: await Promise.all(replies) });
  }

  async #perform(call: GivenCall, id: string | undefined): Promise<unknown> {
    const work = (): Promise<unknown> => performCall(this.#options, call);
    return this.#options.metrics.count(call.name, () =>
      // Reading twice is harmless, and what is read may be large.
      id === undefined || operationTable[call.name].kind === 'read' || operationTable[call.name].kind === 'wait'
        ? work()
        : this.#memory.once(`${call.caller.keyId} ${call.name} ${id}`, work),
    );
  }
}

interface SentCall {
  readonly operation: OperationName;
  readonly id?: string;
  readonly arguments: unknown;
}

function readCalls(body: unknown): { readonly calls: readonly SentCall[]; readonly sentTo: string | undefined } {
  const { calls, sentTo } = (body ?? {}) as { readonly calls?: unknown; readonly sentTo?: unknown };
  if (!Array.isArray(calls) || calls.length > mostCalls)
    throw invalid('calls', `must be a list of at most ${mostCalls}`);
  if (sentTo !== undefined && typeof sentTo !== 'string') throw invalid('sentTo', 'must be text');
  for (const [index, call] of (calls as readonly Partial<SentCall>[]).entries()) {
    const at = `calls[${index}]`;
    if (typeof call !== 'object' || call === null) throw invalid(at, 'must be an object');
    if (typeof call.operation !== 'string' || !isOperation(call.operation))
      throw invalid(`${at}.operation`, `must be one of ${Object.keys(operationTable).join(', ')}`);
    if (operationTable[call.operation].kind === 'wait')
      throw invalid(`${at}.operation`, `must not be one that waits; send it to ${prefix}${call.operation}`);
    readId(`${at}.id`, call.id);
  }
  return { calls: calls as readonly SentCall[], sentTo };
}

/** Checks the id by which a call is known when it comes again. Two calls with an empty one would be the same. */
function readId(at: string, id: unknown): string | undefined {
  if (id === undefined || (typeof id === 'string' && id.length > 0 && id.length <= 200)) return id;
  throw invalid(at, 'must be text of 1 to 200 characters');
}

function limitWait(body: unknown): unknown {
  // Text and lists would be spread into as many members; the check of the arguments says what is wrong with them.
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const { options, ...named } = body as { readonly options?: { readonly timeoutMs?: unknown } };
  const timeoutMs = options?.timeoutMs ?? longestWaitMs;
  return {
    ...named,
    options: { timeoutMs: typeof timeoutMs === 'number' ? Math.min(timeoutMs, longestWaitMs) : timeoutMs },
  };
}

function describeOperations(): unknown {
  const operations = Object.entries(operationTable).map(([name, { kind, parameters }]) => ({
    name,
    kind,
    parameters,
    roles: ['admin', ...operationRoles[name as OperationName]],
  }));
  return { operations };
}

function isOperation(name: string): name is OperationName {
  return Object.hasOwn(operationTable, name);
}

function invalid(field: string, problem: string): RequestError {
  return new RequestError(`${field} ${problem}`, { code: 'request-invalid' });
}

function unknownOutcome(): RequestError {
  return new RequestError(
    'the server was started again before it answered, so that it is not known whether the resources were put; read them, and put them again where they are missing',
    { code: 'store-unavailable', retryable: true },
  );
}
