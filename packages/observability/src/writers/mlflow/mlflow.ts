import { check, LightningError } from '@agent-lightning/core';
import type { MetricPoint, MetricRun, MetricWriter, RunOutcome } from '../metric-writer.ts';
import { askMlflow, type MlflowServer } from './mlflow-client.ts';

export interface MlflowOptions {
  /** The address of the tracking server; a name and password in it are sent as such, and shown nowhere. @default the environment variable `MLFLOW_TRACKING_URI` */
  readonly url?: string;
  /** The experiment, made where there is none of this name. @default 'agent-lightning' */
  readonly experiment?: string;
  /** The name of the run in MLflow. @default the id of the run */
  readonly runName?: string;
  /**
   * A bearer token. @default the environment variable `MLFLOW_TRACKING_TOKEN`, or the name and password of `url`, or `MLFLOW_TRACKING_USERNAME` and
   * `MLFLOW_TRACKING_PASSWORD`, or none
   */
  readonly token?: string;
  /** The longest time that the server may take for one request, in milliseconds; after it, the next step tries again. @default 30_000 */
  readonly requestTimeoutMs?: number;
}

/**
 * Writes metrics and options of a run into an experiment of MLflow, by its REST API. A run that is resumed goes on in the same run of MLflow,
 * after the steps that are there.
 * @throws {ConfigurationError} `option-invalid`
 */
export function mlflow(options: MlflowOptions = {}): MetricWriter {
  check.knownOptions('mlflow', options, ['url', 'experiment', 'runName', 'token', 'requestTimeoutMs']);
  const { url = process.env['MLFLOW_TRACKING_URI'], experiment = 'agent-lightning', runName } = options;
  if (url === undefined || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw check.optionInvalid(
      'mlflow: url',
      url?.replace(/\/\/[^/@\s]*@/, '//…@'),
      'the http(s) address of a tracking server; or set MLFLOW_TRACKING_URI',
    );
  if (experiment === '') throw check.optionInvalid('mlflow: experiment', experiment, 'the name of an experiment');
  const requestTimeoutMs = check.timerMs('mlflow: requestTimeoutMs', options.requestTimeoutMs ?? 30_000);
  const address = new URL(url);
  const credentials = readCredentials(address, options.token);
  address.username = '';
  address.password = '';
  return new MlflowRun({ url: address.href, ...credentials, requestTimeoutMs }, experiment, runName);
}

function readCredentials(
  { username, password: secret }: URL,
  token = process.env['MLFLOW_TRACKING_TOKEN'],
): Pick<MlflowServer, 'headers' | 'secrets'> {
  if (token !== undefined) return { headers: { authorization: `Bearer ${token}` }, secrets: [token] };
  const { MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD = '' } = process.env;
  const [user, password] =
    username === ''
      ? [MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD]
      : [decodeURIComponent(username), decodeURIComponent(secret)];
  if (user === undefined) return { headers: {}, secrets: [] };
  const credentials = Buffer.from(`${user}:${password}`).toString('base64');
  return { headers: { authorization: `Basic ${credentials}` }, secrets: [credentials, password] };
}

/** The tag by which a run is found again. */
const runIdTag = 'agentlightning.run_id';

/** The most metrics that MLflow takes in a request, and the most options. */
const metricsPerRequest = 1_000;
const optionsPerRequest = 100;

/** The longest value of an option that every version of MLflow takes. */
const optionCharacters = 500;

interface RemoteRun {
  readonly info: { readonly run_id: string };
  readonly data?: {
    readonly params?: readonly unknown[];
    readonly metrics?: readonly { readonly key: string; readonly step?: number | string }[];
  };
}

class MlflowRun implements MetricWriter {
  readonly name: string;
  readonly #server: MlflowServer;
  readonly #experiment: string;
  readonly #runName: string | undefined;
  #id = '';

  constructor(server: MlflowServer, experiment: string, runName: string | undefined) {
    this.name = `MLflow at ${new URL(server.url).host}`;
    this.#server = server;
    this.#experiment = experiment;
    this.#runName = runName;
  }

  async begin(run: MetricRun): Promise<Readonly<Record<string, number>>> {
    const experimentId = await this.#findExperiment();
    const filter = `tags."${runIdTag}" = '${run.runId}'`;
    const found = await this.#post<{ readonly runs?: readonly RemoteRun[] }>('runs/search', {
      experiment_ids: [experimentId],
      filter,
      max_results: 1,
    });
    const [known] = found.runs ?? [];
    this.#id = known?.info.run_id ?? (await this.#createRun(experimentId, run));
    // A server that was away may have taken some of them.
    if ((known?.data?.params ?? []).length < Object.keys(run.config).length) await this.#logOptions(run);
    if (known === undefined) return {};
    await this.#post('runs/update', { run_id: this.#id, status: 'RUNNING' });
    return Object.fromEntries((known.data?.metrics ?? []).map(({ key, step }) => [toOwnName(key), Number(step ?? 0)]));
  }

  async write(points: readonly MetricPoint[]): Promise<void> {
    const metrics = points.flatMap(({ step, atMs, values }) =>
      Object.entries(values).map(([name, value]) => ({
        key: toMlflowName(name),
        value,
        timestamp: Math.round(atMs),
        step,
      })),
    );
    for (let from = 0; from < metrics.length; from += metricsPerRequest) {
      const batch = metrics.slice(from, from + metricsPerRequest);
      await this.#post('runs/log-batch', { run_id: this.#id, metrics: batch });
    }
  }

  async end(outcome: RunOutcome): Promise<void> {
    const isCut = outcome === 'interrupted' || outcome === 'limit-reached';
    const status = isCut ? 'KILLED' : outcome === 'failed' ? 'FAILED' : 'FINISHED';
    await this.#post('runs/update', { run_id: this.#id, status, end_time: Date.now() });
  }

  async #findExperiment(): Promise<string> {
    const experiment_name = this.#experiment;
    interface Found {
      readonly experiment: { readonly experiment_id: string };
    }
    try {
      const { experiment } = await askMlflow<Found>(this.#server, 'GET', 'experiments/get-by-name', {
        experiment_name,
      });
      return experiment.experiment_id;
    } catch (error) {
      if (!(LightningError.isInstance(error) && error.message.includes('RESOURCE_DOES_NOT_EXIST'))) throw error;
    }
    return (await this.#post<{ readonly experiment_id: string }>('experiments/create', { name: experiment_name }))
      .experiment_id;
  }

  async #createRun(experimentId: string, { runId, startedAtMs, runDirectory }: MetricRun): Promise<string> {
    const tags = { [runIdTag]: runId, 'agentlightning.run_directory': runDirectory };
    const { run } = await this.#post<{ readonly run: RemoteRun }>('runs/create', {
      experiment_id: experimentId,
      run_name: this.#runName ?? runId,
      start_time: Math.round(startedAtMs),
      tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
    });
    return run.info.run_id;
  }

  async #logOptions({ config }: MetricRun): Promise<void> {
    const params = Object.entries(config).map(([name, value]) => ({
      key: toMlflowName(name),
      value: shorten(String(value)),
    }));
    for (let from = 0; from < params.length; from += optionsPerRequest)
      await this.#post('runs/log-batch', {
        run_id: this.#id,
        params: params.slice(from, from + optionsPerRequest),
      });
  }

  async #post<Reply>(route: string, given: Readonly<Record<string, unknown>>): Promise<Reply> {
    return await askMlflow<Reply>(this.#server, 'POST', route, given);
  }
}

/** Returns a value as MLflow takes it, with a mark where it was cut. */
function shorten(value: string): string {
  return value.length <= optionCharacters ? value : `${value.slice(0, optionCharacters - 1)}…`;
}

/** Returns a name of letters, digits and `_-. /` only: any other character is written by its code, so that two names stay two. */
function toMlflowName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_\-. /]/gu, (character) => `_x${character.codePointAt(0)!.toString(16)}_`);
}

/** Returns the name that `toMlflowName` was given. */
function toOwnName(key: string): string {
  return key.replaceAll(/_x([0-9a-f]+)_/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)));
}
