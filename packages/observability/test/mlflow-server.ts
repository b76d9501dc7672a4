import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Run {
  readonly info: { readonly run_id: string; status: string };
  readonly experimentId: string;
  readonly tags: readonly { readonly key: string; readonly value: string }[];
  readonly params: { readonly key: string; readonly value: string }[];
  readonly history: { readonly key: string; readonly value: number; readonly step: number }[];
}

/** A server with the routes of MLflow's REST API that a run uses, as its documentation has them. */
export interface MlflowServer {
  readonly url: string;
  readonly runs: readonly Run[];
  /** The `authorization` of the newest request. */
  readonly authorization: string | undefined;
  /** Answers everything with 503 while it is true. */
  isAway: boolean;
  /** The requests with metrics or options that are answered before it is away; undefined for any number. */
  batchesLeft: number | undefined;
  close(): Promise<void>;
}

/** The fields of a request, each of which some route has. */
interface Body {
  readonly name: string;
  readonly experiment_id: string;
  readonly tags: Run['tags'];
  readonly experiment_ids: readonly string[];
  readonly filter: string;
  readonly run_id: string;
  readonly metrics?: Run['history'];
  readonly params?: Run['params'];
  readonly status: string;
}

export async function startMlflowServer(): Promise<MlflowServer> {
  const state = {
    isAway: false,
    batchesLeft: undefined as number | undefined,
    authorization: undefined as string | undefined,
  };
  const experiments = new Map<string, string>();
  const runs: Run[] = [];
  const find = (id: string): Run => runs.find(({ info }) => info.run_id === id)!;
  const routes: Readonly<Record<string, (body: Body, query: URLSearchParams) => unknown>> = {
    'GET experiments/get-by-name': (_body, query) => {
      const id = experiments.get(query.get('experiment_name')!);
      return id === undefined ? undefined : { experiment: { experiment_id: id } };
    },
    'POST experiments/create': ({ name }) => {
      experiments.set(name, String(experiments.size + 1));
      return { experiment_id: experiments.get(name) };
    },
    'POST runs/create': ({ experiment_id, tags }) => {
      const info = { run_id: `run-${runs.length + 1}`, status: 'RUNNING' };
      const run: Run = { info, experimentId: experiment_id, tags, params: [], history: [] };
      runs.push(run);
      return { run: toReply(run) };
    },
    'POST runs/search': ({ experiment_ids, filter }) => {
      const [, key, value] = /^tags\."([^"]+)" = '([^']+)'$/.exec(filter)!;
      const isWanted = (run: Run): boolean =>
        experiment_ids.includes(run.experimentId) && run.tags.some((tag) => tag.key === key && tag.value === value);
      const found = runs.filter(isWanted).map(toReply);
      return found.length === 0 ? {} : { runs: found };
    },
    'POST runs/log-batch': ({ run_id, metrics, params }) => {
      if (state.batchesLeft !== undefined && state.batchesLeft-- <= 0) return void (state.isAway = true);
      find(run_id).history.push(...(metrics ?? []));
      const options = find(run_id).params; // the same option with the same value may come again
      options.push(...(params ?? []).filter(({ key }) => options.every((known) => known.key !== key)));
      return {};
    },
    'POST runs/update': ({ run_id, status }) => {
      find(run_id).info.status = status;
      return {};
    },
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const url = new URL(request.url!, 'http://localhost');
    state.authorization = request.headers.authorization;
    const route = routes[`${request.method} ${url.pathname.replace('/api/2.0/mlflow/', '')}`];
    const body = JSON.parse(Buffer.concat(pieces).toString() || '{}') as Body;
    const reply = state.isAway ? undefined : route?.(body, url.searchParams);
    // As a proxy in front of it may, it repeats what it was given.
    const missing = state.isAway
      ? { error_code: 'TEMPORARILY_UNAVAILABLE', message: `${state.authorization} must wait` }
      : { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'no' };
    response.statusCode = reply !== undefined ? 200 : state.isAway ? 503 : 404;
    response.setHeader('content-type', 'application/json').end(JSON.stringify(reply ?? missing));
  };
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    runs,
    get authorization() {
      return state.authorization;
    },
    get isAway() {
      return state.isAway;
    },
    set isAway(isAway) {
      state.isAway = isAway;
    },
    get batchesLeft() {
      return state.batchesLeft;
    },
    set batchesLeft(batchesLeft) {
      state.batchesLeft = batchesLeft;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Returns a run with the newest value of each metric, as MLflow replies. */
function toReply({ info, params, history }: Run): unknown {
  const newest = new Map(history.toSorted((a, b) => a.step - b.step).map((metric) => [metric.key, metric]));
  return { info, data: { params, metrics: [...newest.values()] } };
}
