import type { JsonValue, LightningStore } from '@agent-lightning/core';
import { isId } from '@agent-lightning/store';
import type { Exchange } from '../http/exchange.ts';
import { RequestError } from '../http/request-error.ts';
import type { Route, RouteSet } from '../http/route.ts';
import type { Role } from '../keys/caller.ts';
import type { SequenceNumbers } from '../otlp/sequence-numbers.ts';
import type { SpanIntake, SpanOutcome } from '../otlp/span-intake.ts';
import { draftSpan, toSpanId } from '../otlp/to-span.ts';
import { AglQueries } from './agl-queries.ts';
import { type AglResourcesView, readResources } from './agl-resources.ts';
import { AglRollouts, newId, type AttemptChange, type RolloutChange } from './agl-rollouts.ts';
import { KnownWorkers } from './known-workers.ts';
import { FieldReader, readConfig, readTask, rejectNull } from './read-fields.ts';
import type { RolloutView } from './rollout-view.ts';
import { attemptStatuses, modes, rolloutStatuses, type JsonObject } from './shapes.ts';
import { readPostedSpan, toAglSpan } from './span-view.ts';
import { waitForRollouts } from './wait-for-rollouts.ts';

export interface Agl03Options {
  readonly store: LightningStore;
  readonly view: RolloutView;
  readonly intake: SpanIntake;
  readonly numbers: SequenceNumbers;
  readonly resources: AglResourcesView;
  /** The queue that clients of Agent Lightning 0.3 enqueue to and work off. */
  readonly queue: string;
  /** Applies the store's time limits before what is asked; otherwise only whoever watches the store does. */
  readonly watches: boolean;
  /** @default Date.now */
  readonly now?: () => number;
}

const prefix = '/v1/agl';

/** One route of the protocol: a pattern of path segments, of which `*` is any one. */
interface Entry {
  readonly method: 'GET' | 'POST';
  readonly pattern: readonly string[];
  readonly roles: Route['roles'];
  readonly answer: (exchange: Exchange, ids: readonly string[]) => Promise<void> | void;
}

const reading: readonly Role[] = ['reader', 'trainer', 'runner'];
const running: readonly Role[] = ['trainer', 'runner'];
const training: readonly Role[] = ['trainer'];

/** Serves Agent Lightning 0.3's protocol, so that its Python client, runner, tracers and emitters work unmodified on this store. */
export function agl03Routes(options: Agl03Options): RouteSet {
  const entries = new Agl03(options).entries();
  return ({ method, path }) => {
    if (path !== prefix && !path.startsWith(`${prefix}/`)) return undefined;
    const segments = path
      .slice(prefix.length + 1)
      .split('/')
      .map(decode);
    const fitting = entries.filter(({ pattern }) => fits(pattern, segments));
    const found = fitting.find((entry) => entry.method === method);
    if (found === undefined) return refuse(fitting.length === 0 ? 404 : 405);
    const ids = segments.filter((_segment, index) => found.pattern[index] === '*');
    return { roles: found.roles, errorBody, answer: (exchange) => found.answer(exchange, ids) };
  };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // It is no id of this store then, and the answer says so.
  }
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, index) => (part === '*' ? segments[index] !== '' : part === segments[index]))
  );
}

/** Answers an error as FastAPI does. */
function errorBody(error: RequestError): unknown {
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

class Agl03 {
  readonly #options: Agl03Options;
  readonly #now: () => number;
  readonly #workers: KnownWorkers;
  readonly #rollouts: AglRollouts;
  readonly #queries: AglQueries;
  /** By the clock that only grows, and which is finer than a millisecond: clients compare two answers. */
  readonly #startedMs: number = performance.now();
  #watchedMs: number = -Infinity;

  constructor(options: Agl03Options) {
    const { store, view, resources, queue, now = Date.now } = options;
    this.#options = options;
    this.#now = now;
    this.#workers = new KnownWorkers(() => now() / 1_000);
    this.#rollouts = new AglRollouts({ store, view, workers: this.#workers, queue });
    this.#queries = new AglQueries({ store, view, workers: this.#workers, resources });
    options.intake.onWritten((rolloutId, attemptId) => this.#rollouts.noteWritten(rolloutId, attemptId));
  }

  entries(): readonly Entry[] {
    return [...this.#rolloutEntries(), ...this.#attemptEntries(), ...this.#spanEntries(), ...this.#otherEntries()];
  }

  #rolloutEntries(): readonly Entry[] {
    const { view } = this.#options;
    return [
      entry('POST', 'queues/rollouts/enqueue', training, async (exchange) => {
        const reader = (await readBody(exchange)).require('rollouts');
        const tasks = reader.inners('rollouts').map(readTask);
        reader.finish();
        exchange.json(await this.#rollouts.enqueue(tasks), 201);
      }),
      entry('POST', 'queues/rollouts/dequeue', running, async (exchange) => {
        const reader = await readBody(exchange, {});
        const limit = reader.integer('limit') ?? 1;
        const workerId = reader.text('worker_id');
        reader.finish();
        await this.#watch();
        exchange.json(await this.#rollouts.dequeue(limit, workerId));
      }),
      entry('POST', 'rollouts', training, async (exchange) => {
        const reader = await readBody(exchange);
        const task = readTask(reader);
        const workerId = reader.text('worker_id');
        reader.finish();
        exchange.json(await this.#rollouts.start(task, workerId), 201);
      }),
      ...this.#list('rollouts', (reader) => this.#queries.rollouts(reader)),
      entry('GET', 'rollouts/*', reading, async (exchange, [rolloutId = '']) => {
        await this.#watch();
        exchange.json(await view.withAttempt(await this.#rollouts.readLine(rolloutId)));
      }),
      entry('POST', 'rollouts/*', training, async (exchange, [rolloutId = '']) => {
        await this.#watch();
        exchange.json(await this.#rollouts.update(rolloutId, readRolloutChange(await readBody(exchange))));
      }),
      entry('POST', 'waits/rollouts', reading, (exchange) => this.#wait(exchange)),
    ];
  }

  #attemptEntries(): readonly Entry[] {
    const { view } = this.#options;
    return [
      entry('POST', 'rollouts/*/attempts', running, async (exchange, [rolloutId = '']) => {
        const reader = await readBody(exchange, {});
        const workerId = reader.text('worker_id');
        reader.finish();
        exchange.json(await this.#rollouts.startAttempt(rolloutId, workerId), 201);
      }),
      ...this.#list('rollouts/*/attempts', (reader, [rolloutId = '']) => this.#queries.attempts(rolloutId, reader)),
      entry('GET', 'rollouts/*/attempts/latest', reading, async (exchange, [rolloutId = '']) => {
        await this.#watch();
        const line = isId(rolloutId) ? await view.lines.read(rolloutId) : undefined;
        const newest = line === undefined ? undefined : (await view.lines.readAttempts(line)).at(-1);
        exchange.json(newest === undefined ? null : view.toAttempt(newest));
      }),
      entry('POST', 'rollouts/*/attempts/*', running, async (exchange, [rolloutId = '', attemptId = '']) => {
        const change = readAttemptChange(await readBody(exchange));
        await this.#watch();
        exchange.json(await this.#rollouts.updateAttempt(rolloutId, attemptId, change));
      }),
    ];
  }

  #spanEntries(): readonly Entry[] {
    const { numbers } = this.#options;
    return [
      entry('POST', 'spans/next', running, async (exchange) => {
        const reader = (await readBody(exchange)).require('rollout_id', 'attempt_id');
        const [rolloutId] = [reader.text('rollout_id') ?? '', reader.text('attempt_id')];
        reader.finish();
        exchange.json({ sequence_id: isId(rolloutId) ? await numbers.take(rolloutId) : 1 });
      }),
      ...this.#list('spans', (reader) => this.#queries.spans(reader)),
      entry('POST', 'spans', running, (exchange) => this.#addSpan(exchange)),
    ];
  }

  #otherEntries(): readonly Entry[] {
    const { resources } = this.#options;
    return [
      entry('GET', 'health', 'everyone', (exchange) => exchange.json({ status: 'ok' })),
      entry('GET', 'statistics', reading, (exchange) => this.#statistics(exchange)),
      ...this.#list('workers', (reader) => this.#queries.workers(reader)),
      entry('GET', 'workers/*', reading, (exchange, [workerId = '']) =>
        exchange.json(this.#workers.get(workerId) ?? null),
      ),
      entry('POST', 'workers/*', running, async (exchange, [workerId = '']) => {
        const reader = await readBody(exchange, {}, mostHeartbeatBytes);
        rejectNull(reader, 'heartbeat_stats');
        const stats = reader.object('heartbeat_stats');
        reader.finish();
        exchange.json(this.#workers.noteHeartbeat(workerId, stats));
      }),
      entry('GET', 'resources', reading, async (exchange) =>
        exchange.json(await this.#queries.resources(readQuery(exchange))),
      ),
      entry('POST', 'resources', training, (exchange) => this.#putResources(exchange, newId('rs'), 201)),
      entry('GET', 'resources/latest', reading, async (exchange) => exchange.json(await resources.latest())),
      entry('GET', 'resources/*', reading, async (exchange, [id = '']) =>
        exchange.json(isId(id) ? await resources.get(id) : null),
      ),
      entry('POST', 'resources/*', training, (exchange, [id = '']) => this.#putResources(exchange, id, 200)),
    ];
  }

  /** Makes both forms of a list: with a query, and as a search with a body. */
  #list(pattern: string, find: (reader: FieldReader, ids: readonly string[]) => unknown): readonly Entry[] {
    const answer = async (exchange: Exchange, reader: FieldReader, ids: readonly string[]): Promise<void> => {
      await this.#watch();
      exchange.json(await find(reader, ids));
    };
    return [
      entry('GET', pattern, reading, (exchange, ids) => answer(exchange, readQuery(exchange), ids)),
      entry('POST', `${pattern}/search`, reading, async (exchange, ids) =>
        answer(exchange, await readBody(exchange), ids),
      ),
    ];
  }

  async #wait(exchange: Exchange): Promise<void> {
    const { store, view } = this.#options;
    const reader = (await readBody(exchange)).require('rollout_ids');
    const ids = reader.texts('rollout_ids') ?? [];
    const timeout = reader.number('timeout');
    reader.finish();
    await this.#watch();
    const signal = AbortSignal.any([exchange.signal, exchange.draining]);
    const timeoutMs = timeout === null ? undefined : Math.max(0, timeout * 1_000);
    exchange.json(await waitForRollouts({ store, view, now: this.#now }, ids, timeoutMs, signal));
  }

  async #addSpan(exchange: Exchange): Promise<void> {
    const { store, view, intake, numbers } = this.#options;
    const posted = readPostedSpan(await exchange.readJson());
    const { rolloutId, attemptId, sequenceId, exported, parts } = posted;
    await this.#rollouts.readLine(rolloutId);
    if (!isId(attemptId))
      throw new RequestError(`Attempt ${attemptId.slice(0, 200)} not found for rollout ${rolloutId}`, {
        code: 'not-found',
      });
    const home = await view.lines.home({ rolloutId, attemptId });
    // Clients send one span a request: what that costs must not grow with the attempt.
    const query = { rolloutIds: [home.rolloutId], attemptId, spanIds: [toSpanId(posted.spanId)] };
    if ((await store.querySpans(query)).length > 0) return exchange.json(null, 201);
    await numbers.note(rolloutId, sequenceId);
    const draft = draftSpan(exported, { nowMs: this.#now(), parts });
    const [outcome] = await intake.write({ rolloutId, attemptId }, [draft], exchange.caller);
    throwProblem(outcome as SpanOutcome, rolloutId, attemptId);
    const [written] = await store.querySpans({ ...query, includeTokens: true });
    return exchange.json(written === undefined ? null : toAglSpan(written), 201);
  }

  async #putResources(exchange: Exchange, resourcesId: string, status: number): Promise<void> {
    const body = await exchange.readJson();
    const reader = new FieldReader(body);
    reader.finish();
    const read = readResources(body as JsonObject, reader);
    reader.finish();
    exchange.json(await this.#options.resources.put(resourcesId, read), status);
  }

  async #statistics(exchange: Exchange): Promise<void> {
    const { rollouts, attempts, spans, resources } = await this.#options.store.statistics();
    const sum = (counts: Readonly<Record<string, number>>): number =>
      Object.values(counts).reduce((total, count) => total + count, 0);
    exchange.json({
      name: this.#options.store.constructor.name,
      total_rollouts: sum(rollouts),
      total_attempts: sum(attempts),
      total_spans: spans,
      total_resources: resources,
      total_workers: this.#workers.list().length,
      uptime: (performance.now() - this.#startedMs) / 1_000,
    });
  }

  /** Applies the time limits before what is read, as 0.3 does; at most every tenth of a second. */
  async #watch(): Promise<void> {
    const nowMs = this.#now();
    if (!this.#options.watches || nowMs - this.#watchedMs < watchEveryMs) return;
    this.#watchedMs = nowMs;
    await this.#options.store.runWatchdog();
  }
}

const watchEveryMs = 100;
/** The most bytes of a heartbeat: those of ten thousand workers are kept in memory. */
const mostHeartbeatBytes = 32_768;

function entry(method: Entry['method'], pattern: string, roles: Entry['roles'], answer: Entry['answer']): Entry {
  return { method, pattern: pattern.split('/'), roles, answer };
}

/** Reads a JSON body; an empty one is `absent`, also where the client names another content type for it. */
async function readBody(exchange: Exchange, absent?: JsonObject, mostBytes?: number): Promise<FieldReader> {
  const isEmpty =
    exchange.headers['content-length'] === '0' ||
    (exchange.headers['content-length'] === undefined && exchange.headers['transfer-encoding'] === undefined);
  if (isEmpty && absent !== undefined) return new FieldReader(absent);
  try {
    return new FieldReader(await exchange.readJson(mostBytes));
  } catch (error) {
    if (!(error instanceof RequestError) || !(error.cause instanceof SyntaxError)) throw error;
    const detail = [
      {
        type: 'json_invalid',
        loc: ['body', 0],
        msg: 'JSON decode error',
        input: {},
        ctx: { error: error.cause.message },
      },
    ];
    throw new RequestError(error.message, { code: 'request-invalid', status: 422, detail });
  }
}

const listNames: ReadonlySet<string> = new Set(['status_in', 'rollout_id_in']);
const numberNames: ReadonlySet<string> = new Set(['limit', 'offset']);

/** Reads the query of an address as if it were a body. */
function readQuery({ query }: Exchange): FieldReader {
  const values: Record<string, JsonValue> = {};
  for (const name of new Set(query.keys())) {
    const text = query.get(name) ?? '';
    if (listNames.has(name)) values[name] = query.getAll(name);
    else values[name] = numberNames.has(name) && /^-?\d+$/u.test(text) ? Number(text) : text;
  }
  return new FieldReader(values, ['query']);
}

function readRolloutChange(reader: FieldReader): RolloutChange {
  rejectNull(reader, 'status', 'config');
  const status = reader.oneOf('status', rolloutStatuses);
  const config = readConfig(reader.inner('config'));
  const [mode, resourcesId, metadata] = [
    reader.oneOf('mode', modes),
    reader.text('resources_id'),
    reader.object('metadata'),
  ];
  reader.finish();
  return {
    ...(status === null ? {} : { status }),
    ...(config === null ? {} : { config }),
    ...(reader.has('input') ? { input: reader.any('input') } : {}),
    ...(reader.has('mode') ? { mode } : {}),
    ...(reader.has('resources_id') ? { resources_id: resourcesId } : {}),
    ...(reader.has('metadata') ? { metadata } : {}),
  };
}

function readAttemptChange(reader: FieldReader): AttemptChange {
  rejectNull(reader, 'status', 'worker_id', 'last_heartbeat_time', 'metadata');
  const status = reader.oneOf('status', attemptStatuses);
  const [workerId, heartbeat, metadata] = [
    reader.text('worker_id'),
    reader.number('last_heartbeat_time'),
    reader.object('metadata'),
  ];
  reader.finish();
  return {
    ...(status === null ? {} : { status }),
    ...(workerId === null ? {} : { worker_id: workerId }),
    ...(heartbeat === null ? {} : { last_heartbeat_time: heartbeat }),
    ...(metadata === null ? {} : { metadata }),
  };
}

/** @throws {RequestError} for a span that was not written */
function throwProblem(outcome: SpanOutcome, rolloutId: string, attemptId: string): void {
  if (!('problem' in outcome)) return;
  const { problem, kind } = outcome;
  if (kind === 'not-found')
    throw new RequestError(`Attempt ${attemptId} not found for rollout ${rolloutId}`, { code: 'not-found' });
  if (kind === 'over') throw new RequestError(problem, { code: 'store-conflict' });
  throw new RequestError(
    problem,
    kind === 'forbidden' ? { code: 'forbidden' } : { code: 'request-invalid', status: 422 },
  );
}
