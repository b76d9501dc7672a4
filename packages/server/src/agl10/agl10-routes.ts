import type { LightningStore } from '@agent-lightning/core';
import type { MountedGateway } from '../gateway-routes.ts';
import { canTrain } from '../gateway-routes.ts';
import type { Exchange } from '../http/exchange.ts';
import { RequestError } from '../http/request-error.ts';
import type { Route, RouteSet } from '../http/route.ts';
import type { Caller, Role } from '../keys/caller.ts';
import { FieldReader } from '../agl03/read-fields.ts';
import { Agl10Calls } from './agl10-calls.ts';
import { Agl10Events } from './agl10-events.ts';
import { Agl10Rollouts, rolloutNotFound } from './agl10-rollouts.ts';
import { states, type JsonObject, type State } from './agl10-shapes.ts';
import { fieldError, readPatch, readRollouts } from './read-agl10.ts';
import { ServedModels, stateView } from './served-models.ts';

export interface Agl10Options {
  readonly store: LightningStore;
  /** Lets agents post rewards, as Agent Lightning 1.0 does. */
  readonly agentRewards: boolean;
  /** The gateway that model calls go through; without one that a trainer can publish to, there are no model calls. */
  readonly gateway: MountedGateway | undefined;
  /** The longest time that a call waits for a model. */
  readonly modelWaitMs: number;
}

/** One route of the protocol: a pattern of path segments, of which `*` is any one, and `**` the rest. */
interface Entry {
  readonly method: string;
  readonly pattern: readonly string[];
  readonly roles: readonly Role[];
  readonly answer: (exchange: Exchange, ids: readonly string[]) => Promise<void> | void;
}

const training: readonly Role[] = ['trainer'];
const running: readonly Role[] = ['trainer', 'runner'];
const calling: readonly Role[] = ['trainer', 'runner', 'agent'];

/** Serves Agent Lightning 1.0's contract, so that its verl trainer, its controllers and their agents work unmodified on this store and gateway. */
export function agl10Routes(options: Agl10Options): RouteSet {
  const entries = new Agl10(options).entries();
  return ({ method, path }) => {
    if (path === '/healthz' && method === 'GET')
      return { roles: 'everyone', answer: (exchange) => exchange.json({ status: 'ok' }) };
    if (!/^\/(?:api\/(?:rollouts|models)|proxy)(?:\/|$)/u.test(path)) return undefined;
    const segments = path.slice(1).split('/').map(decode);
    const fitting = entries.filter(({ pattern }) => fits(pattern, segments));
    // A path without a pattern in it is meant before one with.
    const found = fitting
      .toSorted((a, b) => a.pattern.filter(isAny).length - b.pattern.filter(isAny).length)
      .find((entry) => entry.method === method);
    if (found === undefined) return refuse(fitting.length === 0 ? 404 : 405);
    const ids = segments.flatMap((segment, index) => (found.pattern[index] === '*' ? [segment] : []));
    const rest = found.pattern.at(-1) === '**' ? [segments.slice(found.pattern.length - 1).join('/')] : [];
    return { roles: found.roles, errorBody, answer: (exchange) => found.answer(exchange, [...ids, ...rest]) };
  };
}

function isAny(part: string): boolean {
  return part.startsWith('*');
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // It is no id then, and the answer says so.
  }
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  const hasRest = pattern.at(-1) === '**';
  const parts = hasRest ? pattern.slice(0, -1) : pattern;
  return (
    (hasRest ? segments.length > parts.length : segments.length === parts.length) &&
    parts.every((part, index) => (part === '*' ? segments[index] !== '' : part === segments[index]))
  );
}

/** Answers an error as FastAPI does. */
function errorBody(error: RequestError): unknown {
  if (error.code === 'unauthorized') return { detail: 'Invalid or missing API key' };
  return { detail: error.detail ?? error.message };
}

function refuse(status: 404 | 405): Route {
  return {
    roles: 'everyone',
    errorBody,
    answer: () => {
      throw new RequestError(status === 404 ? 'Not Found' : 'Method Not Allowed', { code: 'not-found', status });
    },
  };
}

interface Serving {
  readonly models: ServedModels;
  readonly calls: Agl10Calls;
}

class Agl10 {
  readonly #agentRewards: boolean;
  readonly #rollouts: Agl10Rollouts;
  readonly #events: Agl10Events;
  readonly #serving: Serving | undefined;

  constructor({ store, agentRewards, gateway, modelWaitMs }: Agl10Options) {
    this.#agentRewards = agentRewards;
    if (gateway !== undefined && canTrain(gateway)) {
      const models = new ServedModels(gateway, modelWaitMs);
      this.#serving = { models, calls: new Agl10Calls(gateway, models) };
    }
    this.#rollouts = new Agl10Rollouts(store, async (claim) => this.#serving?.calls.end(claim));
    this.#events = new Agl10Events(store, this.#rollouts);
  }

  entries(): readonly Entry[] {
    return [...this.#rolloutEntries(), ...this.#eventEntries(), ...this.#modelEntries()];
  }

  #rolloutEntries(): readonly Entry[] {
    return [
      entry('POST', 'api/rollouts', training, async (exchange) =>
        exchange.json(await this.#rollouts.enqueue(readRollouts(await exchange.readJson())), 201),
      ),
      entry('GET', 'api/rollouts', running, async (exchange) =>
        exchange.json(await this.#rollouts.list(readStates(exchange), readInteger(exchange, 'limit', 500))),
      ),
      entry('GET', 'api/rollouts/terminal', running, async (exchange) =>
        exchange.json(
          await this.#rollouts.terminal(readInteger(exchange, 'after', 0), readInteger(exchange, 'limit', 1_000)),
        ),
      ),
      entry('GET', 'api/rollouts/*', running, async (exchange, [rolloutId = '']) => {
        const rollout = await this.#rollouts.read(rolloutId);
        exchange.json({ rollout: this.#rollouts.view(rollout), attempts: await this.#events.attempts(rollout) });
      }),
      entry('PATCH', 'api/rollouts/*', running, async (exchange, [rolloutId = '']) => {
        const patch = readPatch(await exchange.readJson());
        exchange.json(await this.#rollouts.patch(rolloutId, patch));
      }),
      entry('DELETE', 'api/rollouts/*', training, async ({ response }, [rolloutId = '']) => {
        await this.#rollouts.delete(rolloutId);
        this.#events.forget(rolloutId);
        response.writeHead(204).end();
      }),
    ];
  }

  #eventEntries(): readonly Entry[] {
    return [
      entry('POST', 'api/rollouts/*/attempt/*/events', calling, async (exchange, [rolloutId = '', attemptId = '']) => {
        checkOwn(exchange.caller, rolloutId);
        const reader = new FieldReader(await exchange.readJson()).require('event_type');
        const [eventType, data] = [reader.text('event_type') ?? '', reader.object('data') ?? {}];
        reader.finish();
        const isTrainer = exchange.caller.role === 'trainer' || exchange.caller.role === 'admin';
        if (eventType === 'reward') this.#checkReward(exchange.caller);
        // Calls before it come before it.
        await this.#serving?.calls.flush(rolloutId);
        exchange.json(await this.#events.post(rolloutId, { attemptId, eventType, data }, isTrainer));
      }),
      entry('GET', 'api/rollouts/*/events', running, async (exchange, [rolloutId = '']) => {
        await this.#serving?.calls.flush(rolloutId);
        const { query } = exchange;
        const asked = {
          eventType: query.get('event_type'),
          isTriplet: query.get('format') === 'triplet',
          hasExperts: query.get('include_routed_experts') !== 'false',
        };
        exchange.json(await this.#events.query(rolloutId, asked));
      }),
    ];
  }

  #modelEntries(): readonly Entry[] {
    return [
      entry('POST', 'api/models', training, async (exchange) =>
        exchange.json(this.#models.register(await exchange.readJson()), 201),
      ),
      entry('DELETE', 'api/models', training, (exchange) => {
        this.#models.clear();
        exchange.json({ status: 'ok' });
      }),
      entry('POST', 'proxy/pause', training, async (exchange) => {
        if (isEmpty(exchange)) throw fieldError('missing', ['body'], 'Field required', null);
        const reader = new FieldReader(await exchange.readJson());
        const [seconds, reason] = [reader.integer('retry_after_seconds') ?? 5, reader.text('reason')];
        reader.finish();
        this.#models.pause(seconds, reason);
        exchange.json(this.#state());
      }),
      entry('POST', 'proxy/resume', training, (exchange) => {
        this.#models.resume();
        exchange.json(this.#state());
      }),
      entry('GET', 'proxy/state', running, (exchange) => exchange.json(this.#state())),
      entry('POST', 'proxy/rollout/*/attempt/*/mode/*/openai/v1/**', calling, (exchange, ids) => {
        const [rolloutId = '', _attempt, mode = '', path = ''] = ids;
        checkOwn(exchange.caller, rolloutId);
        return this.#required.calls.answer(exchange, { rolloutId, mode, path }, this.#rollouts);
      }),
    ];
  }

  get #required(): Serving {
    if (this.#serving !== undefined) return this.#serving;
    throw new RequestError('this server has no gateway for model calls; give startServer a gateway of Gateway.mount', {
      code: 'not-found',
      status: 503,
    });
  }

  get #models(): ServedModels {
    return this.#required.models;
  }

  #state(): JsonObject {
    const { models, calls } = this.#required;
    return stateView(models.state, calls.inFlight);
  }

  /** Refuses the reward of an agent, whose key is the one that its controller has, unless agents may reward themselves. */
  #checkReward({ role, keyId }: Caller): void {
    const isTrainer = role === 'trainer' || (role === 'admin' && keyId !== 'open');
    if (this.#agentRewards || isTrainer) return;
    throw new RequestError(
      'agents may not reward themselves here; start the server with agentRewards: true to let them',
      {
        code: 'forbidden',
      },
    );
  }
}

function entry(method: string, pattern: string, roles: Entry['roles'], answer: Entry['answer']): Entry {
  return { method, pattern: pattern.split('/'), roles, answer };
}

/** Lets the key of an agent do something to its own rollout only. @throws {RequestError} 404, as for one that is not there */
function checkOwn({ role, lease }: Caller, rolloutId: string): void {
  if (role === 'agent' && lease?.rolloutId !== rolloutId) throw rolloutNotFound(rolloutId);
}

function isEmpty({ headers }: Exchange): boolean {
  const length = headers['content-length'];
  return length === '0' || (length === undefined && headers['transfer-encoding'] === undefined);
}

function readStates({ query }: Exchange): readonly State[] {
  const given = query.getAll('state_in');
  if (given.length === 0) throw fieldError('missing', ['query', 'state_in'], 'Field required', null);
  for (const [index, state] of given.entries())
    if (!states.includes(state as State))
      throw fieldError(
        'enum',
        ['query', 'state_in', index],
        "Input should be 'queuing', 'running', 'succeeded' or 'failed'",
        state,
      );
  return given as State[];
}

function readInteger({ query }: Exchange, name: string, absent: number): number {
  const text = query.get(name);
  if (text === null) return absent;
  if (/^[+-]?\d{1,15}$/u.test(text)) return Number(text);
  throw fieldError(
    'int_parsing',
    ['query', name],
    'Input should be a valid integer, unable to parse string as an integer',
    text,
  );
}
