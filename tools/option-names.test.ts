/** Every public object of options refuses a name that it does not have, and says which one was likely meant. */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { captureRollouts, exportSft, toSftRows, toTasks } from '@agent-lightning/capture';
import { rewardAttributes, toEpisode, toMessages, type Algorithm } from '@agent-lightning/core';
import { exportNotes, startDashboard } from '@agent-lightning/dashboard';
import { createCheckpoint, embedded, LlamaEngine } from '@agent-lightning/embedded';
import { connectGateway, Gateway, serve } from '@agent-lightning/gateway';
import { createVllmScorer, setUpPython, setUpStarterModel, setUpVllm } from '@agent-lightning/gpu';
import { apo, gepa } from '@agent-lightning/prompt-optimizer';
import { mlflow, resolveOpenTelemetryOptions, tensorBoard } from '@agent-lightning/observability';
import { recordRollouts, replayRollout } from '@agent-lightning/regression';
import { runCommand, runContainer, runJob, Runner } from '@agent-lightning/runner';
import { KeyRing, startServer } from '@agent-lightning/server';
import { connectStore, MemoryStore } from '@agent-lightning/store';
import { openPostgresStore } from '@agent-lightning/store-postgres';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { outlineTrace, startModelServer, startPostgres, startTestRollout } from '@agent-lightning/testing';
import { createChatEngine, createToolCallReader, trainBytePairTokenizer } from '@agent-lightning/text';
import { agentOptions, compare, emitMessage, emitReward, judge } from '@agent-lightning/tracing';
import {
  compareEvaluations,
  describeVerdict,
  distill,
  gpu,
  grpo,
  readTasks,
  rescore,
  sft,
  tinker,
  Trainer,
} from '@agent-lightning/trainer';
import { describe, expect, it } from 'vitest';

/** Options as a user may write them: whatever the compiler would say. */
type Given = never;

const server = { baseUrl: 'http://127.0.0.1:9/v1', model: 'm' };
const store = new MemoryStore({ watchdogIntervalMs: 0 });
const rollout = (): number => 1;
const algorithm: Algorithm = {
  name: 'nothing',
  config: {},
  tasksPerStep: 1,
  uses: { backend: false, samplingAhead: false },
  begin: () => Promise.reject(new TypeError('never begun')),
  rehearse: () => Promise.reject(new TypeError('never begun')),
};
const createTrainer = (): Trainer => new Trainer({ algorithm, rollout });
const capture = captureRollouts({ store, onError: () => undefined });
const trainerWith = (further: object) => new Trainer({ algorithm, rollout, ...further } as Given);
const gatewayWith = (further: object) => Gateway.start({ store, ...further } as Given);
const withGateway = async (work: (gateway: Gateway) => unknown): Promise<unknown> => {
  await using gateway = await gatewayWith({});
  return await work(gateway);
};
const publish = (snapshot: object) => withGateway((gateway) => gateway.publish('p', snapshot as Given));
const inRollout = (work: () => unknown) => startTestRollout('http://127.0.0.1:9/v1').run(work);
const fitWith = (further: object) => createTrainer().fit({ train: [1], ...further } as Given);
const grpoTrainer = (policies: object) =>
  new Trainer({ algorithm: grpo(), backend: { createPolicy: rollout } as Given, rollout, policies: policies as Given });

interface Row {
  /** The public type, as the package's index exports it. */
  readonly type: string;
  /** Gives the misspelt option to the function that takes such options. */
  readonly call: (options: Given) => unknown;
  readonly misspelt: Readonly<Record<string, unknown>>;
  readonly meant: string;
  /** True when the options may be left out. */
  readonly isOptional?: true;
}

const rows: readonly Row[] = [
  { type: 'capture CaptureOptions', call: captureRollouts, misspelt: { redactt: () => '' }, meant: 'redact' },
  {
    type: 'capture FeedbackOptions',
    call: (options) => capture.reward('r', 1, options),
    misspelt: { feedbackID: 'a' },
    meant: 'feedbackId',
    isOptional: true,
  },
  {
    type: 'capture ToSftRowsOptions',
    call: (options) => toSftRows([], options),
    misspelt: { minreward: 1 },
    meant: 'minReward',
    isOptional: true,
  },
  {
    type: 'capture ExportSftOptions',
    call: (options: object) => exportSft([], options as Given),
    misspelt: { formatt: 'trl' },
    meant: 'format',
  },
  {
    type: 'capture.close',
    call: (options) => captureRollouts({ store }).close(options),
    misspelt: { timeout: 1 },
    meant: 'timeoutMs',
    isOptional: true,
  },
  {
    type: 'capture.flush',
    call: (options) => capture.flush(options),
    misspelt: { timeoutMS: 1 },
    meant: 'timeoutMs',
    isOptional: true,
  },
  {
    type: 'core rewardAttributes',
    call: (options) => rewardAttributes(1, options),
    misspelt: { scop: 'rollout' },
    meant: 'scope',
    isOptional: true,
  },
  {
    type: 'core toEpisode',
    call: (options) => toEpisode({} as Given, [], options),
    misspelt: { policy: [] },
    meant: '',
    isOptional: true,
  },
  {
    type: 'core toMessages',
    call: (options) => toMessages([], options),
    misspelt: { agentmatch: 'a' },
    meant: 'agentMatch',
    isOptional: true,
  },
  { type: 'observability MlflowOptions', call: mlflow, misspelt: { ur1: 'http://a' }, meant: 'url', isOptional: true },
  {
    type: 'observability OpenTelemetryOptions',
    call: (options) => resolveOpenTelemetryOptions('Runner', options),
    misspelt: { contents: true },
    meant: 'content',
    isOptional: true,
  },
  {
    type: 'observability TensorBoardOptions',
    call: (options) => tensorBoard(options),
    misspelt: { directori: 'a' },
    meant: 'directory',
    isOptional: true,
  },
  { type: 'prompt-optimizer ApoOptions', call: apo, misspelt: { reflections: 'a' }, meant: 'reflection' },
  {
    type: 'prompt-optimizer FindPromptsOptions',
    call: (options) => gepa({ prompts: options ?? 'found', reflection: () => Promise.resolve('') }),
    misspelt: { agentmatch: 'a' },
    meant: 'agentMatch',
    isOptional: true,
  },
  { type: 'prompt-optimizer GepaOptions', call: gepa, misspelt: { reflections: 'a' }, meant: 'reflection' },
  { type: 'regression RecordOptions', call: recordRollouts, misspelt: { files: 'a' }, meant: 'file' },
  {
    type: 'regression ReplayOptions',
    call: (options) => replayRollout({} as Given, options),
    misspelt: { rollouts: rollout },
    meant: 'rollout',
  },
  { type: 'tracing JudgeOptions', call: judge, misspelt: { rubrik: 'a' }, meant: 'rubric' },
  { type: 'tracing ComparisonOptions', call: compare, misspelt: { rubrik: 'a' }, meant: 'rubric' },
  { type: 'embedded CreateCheckpointOptions', call: createCheckpoint, misspelt: { endToken: [] }, meant: 'endTokens' },
  { type: 'embedded EmbeddedOptions', call: embedded, misspelt: { modle: 'm' }, meant: 'model' },
  { type: 'embedded LlamaEngineOptions', call: LlamaEngine.create, misspelt: { thread: 1 }, meant: 'threads' },
  {
    type: 'embedded LoraOptions',
    call: (lora) => embedded({ model: 'm', lora }),
    misspelt: { Rank: 1 },
    meant: 'rank',
    isOptional: true,
  },
  { type: 'gateway GatewayOptions', call: Gateway.start, misspelt: { polcy: 'p' }, meant: 'policy' },
  { type: 'gateway CallLimitOptions', call: Gateway.start, misspelt: { maxRetry: 1 }, meant: '' },
  {
    type: 'gateway ModelOptions',
    call: (given: object) => gatewayWith({ models: { mine: given } }),
    misspelt: { baseURL: 'http://a' },
    meant: 'baseUrl',
  },
  {
    type: 'gateway upstreams',
    call: (given: object) => gatewayWith({ upstreams: { mine: given } }),
    misspelt: { apikey: 'k' },
    meant: 'apiKey',
  },
  {
    type: 'gateway SamplingOptions',
    call: (sampling: object) => gatewayWith({ sampling }),
    misspelt: { training: {} },
    meant: '',
    isOptional: true,
  },
  {
    type: 'gateway ModeSampling',
    call: (train: object) => gatewayWith({ sampling: { train } }),
    misspelt: { temprature: 1 },
    meant: 'temperature',
    isOptional: true,
  },
  {
    type: 'gateway PauseOptions',
    call: (options) => withGateway((gateway) => gateway.pause(options)),
    misspelt: { drainMS: 1 },
    meant: 'drainMs',
    isOptional: true,
  },
  {
    type: 'gateway.publish, a server',
    call: (snapshot: object) => publish({ kind: 'openai', version: 1, baseUrl: 'http://a', model: 'm', ...snapshot }),
    misspelt: { apikey: 'k' },
    meant: 'apiKey',
    isOptional: true,
  },
  {
    type: 'gateway.publish, an engine',
    call: (snapshot: object) => publish({ kind: 'engine', version: 1, engine: {}, ...snapshot }),
    misspelt: { model: 'm' },
    meant: '',
    isOptional: true,
  },
  {
    type: 'gateway.publish',
    call: (snapshot: object) => publish(snapshot),
    misspelt: { baseURL: 'http://a' },
    meant: 'baseUrl',
  },
  {
    type: 'gateway.route',
    call: (routes: object) => withGateway((gateway) => gateway.route(routes as Given)),
    misspelt: { policys: [] },
    meant: 'policies',
  },
  {
    type: 'gateway.route, a policy',
    call: (route: object) => withGateway((gateway) => gateway.route({ policies: [route] } as Given)),
    misspelt: { agentmatch: 'a' },
    meant: 'agentMatch',
  },
  {
    type: 'connectGateway.publish',
    call: (snapshot: object) =>
      connectGateway({ url: 'http://127.0.0.1:9', adminKey: 'k' }).publish('p', snapshot as Given),
    misspelt: { upstreams: 'a' },
    meant: 'upstream',
  },
  { type: 'gateway RemoteGatewayOptions', call: connectGateway, misspelt: { adminkey: 'k' }, meant: 'adminKey' },
  { type: 'gateway ServeOptions', call: serve, misspelt: { snapShot: {} }, meant: 'snapshot' },
  {
    type: 'gateway StalenessOptions',
    call: (options) => withGateway((gateway) => gateway.setStaleness(options)),
    misspelt: { maxStalenes: 1 },
    meant: 'maxStaleness',
  },
  {
    type: 'gpu VllmScorerOptions',
    call: (options: object) => createVllmScorer(options && { ...server, ...options }),
    misspelt: { apikey: 'k' },
    meant: 'apiKey',
  },
  { type: 'gpu GpuOptions', call: gpu, misspelt: { modell: 'm' }, meant: 'model' },
  {
    type: 'gpu VllmOptions',
    call: (vllm) => gpu({ model: 'm', vllm }),
    misspelt: { sleeps: true },
    meant: 'sleep',
    isOptional: true,
  },
  {
    type: 'gpu VllmAttachOptions',
    call: (vllm: object) => gpu({ model: 'm', vllm: { url: 'http://a', ...vllm } as Given }),
    misspelt: { apikey: 'k' },
    meant: 'apiKey',
    isOptional: true,
  },
  {
    type: 'gpu SetUpPythonOptions',
    call: setUpPython,
    misspelt: { directroy: 'd' },
    meant: 'directory',
    isOptional: true,
  },
  {
    type: 'gpu SetUpVllmOptions',
    call: setUpVllm,
    misspelt: { biuld: 'cpu' },
    meant: 'build',
    isOptional: true,
  },
  {
    type: 'gpu SetUpStarterModelOptions',
    call: setUpStarterModel,
    misspelt: { agian: true },
    meant: 'again',
    isOptional: true,
  },
  { type: 'runner RunCommandOptions', call: runCommand, misspelt: { arg: [] }, meant: 'args' },
  { type: 'runner RunContainerOptions', call: runContainer, misspelt: { imgae: 'a' }, meant: 'image' },
  { type: 'runner RunJobOptions', call: runJob, misspelt: { tempalte: 'job.yaml' }, meant: 'template' },
  {
    type: 'runner RunnerOptions',
    call: (options) => new Runner(options),
    misspelt: { concurency: 2 },
    meant: 'concurrency',
  },
  {
    type: 'runner RunnerHooks',
    call: (hooks) => new Runner({ store, rollout, hooks }),
    misspelt: { onRolloutended: rollout },
    meant: 'onRolloutEnd',
    isOptional: true,
  },
  {
    type: 'store StoreOptions',
    call: (options) => new MemoryStore(options),
    misspelt: { keepEvent: 1_000 },
    meant: 'keepEvents',
    isOptional: true,
  },
  {
    type: 'store RemoteStoreOptions',
    call: connectStore,
    misspelt: { outtageMs: 1 },
    meant: 'outageMs',
  },
  {
    type: 'server ServerOptions',
    call: (options) => startServer(options),
    misspelt: { agentReward: true },
    meant: 'agentRewards',
  },
  {
    type: 'server KeyRingOptions',
    call: (options) => new KeyRing(options),
    misspelt: { fille: 'keys.json' },
    meant: 'file',
    isOptional: true,
  },
  {
    type: 'store-postgres PostgresStoreOptions',
    call: openPostgresStore,
    misspelt: { conection: 'postgres://a' },
    meant: 'connection',
  },
  {
    type: 'dashboard ExportNotesOptions',
    call: (options) => exportNotes('runs/a', options).next(),
    misspelt: { labeled: true },
    meant: 'labelled',
    isOptional: true,
  },
  {
    type: 'dashboard DashboardOptions',
    call: startDashboard,
    misspelt: { prot: 4646 },
    meant: 'port',
  },
  {
    type: 'store-sqlite SqliteStoreOptions',
    call: openSqliteStore,
    misspelt: { durabilty: 'full' },
    meant: 'durability',
  },
  {
    type: 'testing ModelServerOptions',
    call: startModelServer,
    misspelt: { respons: 'ok' },
    meant: 'respond',
    isOptional: true,
  },
  {
    type: 'testing OutlineOptions',
    call: (options) => outlineTrace([], options),
    misspelt: { agent: [] },
    meant: 'agents',
  },
  {
    type: 'testing PostgresServerOptions',
    call: startPostgres,
    misspelt: { fsyncs: true },
    meant: 'fsync',
    isOptional: true,
  },
  { type: 'text BytePairOptions', call: trainBytePairTokenizer, misspelt: { text: [] }, meant: 'texts' },
  { type: 'text ChatEngineOptions', call: createChatEngine, misspelt: { contextlength: 1 }, meant: 'contextLength' },
  {
    type: 'text ToolCallReaderOptions',
    call: (options) => createToolCallReader('hermes', options),
    misspelt: { tool: [] },
    meant: 'tools',
    isOptional: true,
  },
  { type: 'tinker TinkerOptions', call: tinker, misspelt: { tokeniser: 't' }, meant: 'tokenizer' },
  {
    type: 'tinker serverAdam',
    call: (serverAdam: object) =>
      tinker({ serverKind: 'skyrl', model: 'm', tokenizer: 't', url: 'http://a', serverAdam } as Given),
    misspelt: { beta_1: 0.9 },
    meant: 'beta1',
    isOptional: true,
  },
  {
    type: 'tinker LoraOptions',
    call: (lora) => tinker({ model: 'm', tokenizer: 't', apiKey: 'k', lora }),
    misspelt: { alpa: 1 },
    meant: 'alpha',
    isOptional: true,
  },
  {
    type: 'tracing AgentOptions',
    call: agentOptions,
    misspelt: { agentmatch: 'a' },
    meant: 'agentMatch',
    isOptional: true,
  },
  {
    type: 'tracing EmitOptions',
    call: (options) => inRollout(() => emitMessage('a', options)),
    misspelt: { attribute: {} },
    meant: 'attributes',
    isOptional: true,
  },
  {
    type: 'tracing EmitRewardOptions',
    call: (options) => inRollout(() => emitReward(1, options)),
    misspelt: { primry: 'a' },
    meant: 'primary',
    isOptional: true,
  },
  {
    type: 'trainer TrainerOptions',
    call: (options) => new Trainer(options),
    misspelt: { runner: 2 },
    meant: 'runners',
  },
  {
    type: 'trainer TrainerHooks',
    call: (hooks: object) => trainerWith({ hooks }),
    misspelt: { onstep: rollout },
    meant: 'onStep',
    isOptional: true,
  },
  {
    type: 'trainer retry',
    call: (retry: object) => trainerWith({ retry }),
    misspelt: { maxAttempt: 2 },
    meant: 'maxAttempts',
    isOptional: true,
  },
  {
    type: 'trainer PolicyOptions',
    call: (given: object) => grpoTrainer({ writer: given }),
    misspelt: { agentmatch: 'a' },
    meant: 'agentMatch',
  },
  {
    type: 'trainer FitOptions',
    call: (options) => createTrainer().fit(options),
    misspelt: { step: 2 },
    meant: 'steps',
  },
  {
    type: 'trainer VerdictOptions',
    call: (verdict: object) => fitWith({ validation: [1, 2], verdict }),
    misspelt: { sample: 2 },
    meant: 'samples',
    isOptional: true,
  },
  {
    type: 'trainer DevOptions',
    call: (options) => createTrainer().dev(options),
    misspelt: { task: [1] },
    meant: 'tasks',
  },
  {
    type: 'trainer EvaluateOptions',
    call: (options) => createTrainer().evaluate(options),
    misspelt: { checkpont: 'base' },
    meant: 'checkpoint',
  },
  {
    type: 'trainer CompareOptions',
    call: (options) => createTrainer().compare(options),
    misspelt: { candidat: 'a' },
    meant: 'candidate',
  },
  {
    type: 'trainer RescoreOptions',
    call: (options) => rescore(store, options),
    misspelt: { rewards: rollout },
    meant: 'reward',
  },
  { type: 'trainer GrpoOptions', call: grpo, misspelt: { groupsize: 4 }, meant: 'groupSize', isOptional: true },
  {
    type: 'trainer DistillOptions',
    call: (options: object) => distill(options && { teacher: server, ...options }),
    misspelt: { samplesPertask: 4 },
    meant: 'samplesPerTask',
  },
  {
    type: 'trainer TeacherServerOptions',
    call: (teacher: object) => distill({ teacher: teacher && { ...server, ...teacher } }),
    misspelt: { apikey: 'k' },
    meant: 'apiKey',
  },
  { type: 'trainer SftOptions', call: sft, misspelt: { samplesPertask: 4 }, meant: 'samplesPerTask', isOptional: true },
  {
    type: 'trainer SftSourceOptions',
    call: (from: object) => sft({ from } as Given),
    misspelt: { runid: 'a' },
    meant: 'runId',
    isOptional: true,
  },
  {
    type: 'trainer TeacherServerOptions',
    call: (teacher: object) => sft({ teacher } as Given),
    misspelt: { apikey: 'a' },
    meant: 'apiKey',
    isOptional: true,
  },
  {
    type: 'trainer CriticOptions',
    call: (critic: object) => grpo({ estimator: 'gae', critic } as Given),
    misspelt: { learningrate: 1 },
    meant: 'learningRate',
    isOptional: true,
  },
  {
    type: 'trainer GrpoLossOptions',
    call: (sequenceMask: object) => grpo({ sequenceMask } as Given),
    misspelt: { hihg: 1 },
    meant: 'high',
    isOptional: true,
  },
  {
    type: 'run ReadTasksOptions',
    call: (options) => readTasks('tasks.jsonl', options),
    misspelt: { colums: ['a'] },
    meant: 'columns',
    isOptional: true,
  },
];

/** Objects of options that no function of the package takes from a user as they are, and why. */
const exempt: Readonly<Record<string, string>> = {
  'ai-sdk LightningOptions': 'adapters-together.test.ts has the adapters',
  'ai-sdk LanguageModelOptions': 'adapters-together.test.ts has the adapters',
  'capture CaptureRunOptions': 'told to onError, since a request goes on; tested below',
  'core LightningRLOptions': 'grpo makes them of its own options, which are checked',
  'gpu VllmSharedOptions': 'part of VllmOptions and VllmAttachOptions',
  'gpu VllmStartOptions': 'one of VllmOptions',
  'observability MetricLogOptions': 'parts of a run, which the trainer puts together',
  'observability ResolvedOpenTelemetryOptions': 'made of OpenTelemetryOptions',
  'platform ListenOptions': 'given by code of this project alone',
  'platform OutageOptions': 'given by code of this project alone',
  'server RequestErrorOptions': 'given by code of routes alone, as the options of an Error are',
  'dashboard WriteReportOptions': 'parts of a run, which the trainer puts together',
  'run CallOptions': 'parts of a run, which the trainer puts together',
  'run InterruptOptions': 'parts of a run, which the trainer puts together',
  'run OpenRunOptions': 'parts of a run, which the trainer puts together',
  'run ProgressOptions': 'parts of a run, which the trainer puts together',
  'run RolloutCollectorOptions': 'parts of a run, which the trainer puts together',
  'run RolloutWindowOptions': 'parts of a run, which the trainer puts together',
  'run SessionOptions': 'parts of a run, which the trainer puts together',
  'testing BackendSuiteOptions': 'given to describeBackend, which defines tests',
  'testing ModelSuiteOptions': 'given to describeStore, which defines tests',
  'testing StoreSuiteOptions': 'given by the suite to the store under test',
  'tracing TraceRecorderOptions': 'parts of a rollout, which the runner puts together',
};

/** Returns what the call throws or rejects with. */
async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
}

it.each<[string, () => unknown]>([
  ['openAttempt: claim.rollout', () => withGateway((gateway) => gateway.openAttempt({} as Given))],
  ['closeAttempt: claim.attempt', () => withGateway((gateway) => gateway.closeAttempt({} as Given))],
  ['openAttempt: claim.rollout', () => connectGateway({ url: 'http://a', adminKey: 'k' }).openAttempt({} as Given)],
  ['the baseline', () => compareEvaluations({} as Given, {} as Given)],
  ['describeVerdict: verdict', () => describeVerdict(undefined as Given)],
  ['toTasks: captured', () => toTasks(undefined as Given)],
  ['toSftRows: captured', () => toSftRows(Promise.resolve([]) as Given)],
])('what is not the object that is asked for is a typed error: %s', async (name, call) => {
  const error = await errorOf(call);
  expect(error).toMatchObject({ name: 'ConfigurationError', code: 'option-invalid' });
  expect((error as Error).message).toContain(`${name} must be `);
});

describe('an option that there is not', () => {
  it.each(rows)('is refused by name: $type', async ({ call, misspelt, meant }) => {
    const [name] = Object.keys(misspelt);
    const error = await errorOf(() => call(misspelt as Given));
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'option-invalid' });
    expect((error as Error).message).toContain(
      `has no option "${name}"; ${meant === '' ? '' : `did you mean "${meant}"? `}it has `,
    );
  });

  it.each(rows.filter(({ isOptional }) => isOptional === undefined))(
    'nothing at all is a typed error: $type',
    async ({ call }) => {
      const error = await errorOf(() => (call as (options?: unknown) => unknown)());
      expect(error).toMatchObject({ name: 'ConfigurationError', code: 'option-invalid' });
      expect((error as Error).message).toMatch(/takes an object of options \(.*\); got undefined/);
    },
  );

  it('is told to onError where a request must go on, and the run is recorded', async () => {
    const told: string[] = [];
    const live = captureRollouts({ store, onError: ({ message }) => told.push(message) });
    expect((await live.run('input', () => 'answer', { metdata: {} } as Given)).result).toBe('answer');
    expect((await live.run('input', () => 'answer', null as Given)).result).toBe('answer');
    expect(told).toEqual([
      expect.stringContaining('capture.run has no option "metdata"; did you mean "metadata"?'),
      expect.stringContaining('capture.run takes an object of options'),
    ]);
    await live.flush();
    expect(live.statistics.stored).toBe(2);
  });

  it('is refused in what a store is asked', async () => {
    const lease = { rolloutId: 'r', attemptId: 'a', fencingToken: 1 };
    for (const [ask, problem] of [
      [
        () => store.enqueue([{ input: 1, mod: 'val' } as Given]),
        'requests[0] has no option "mod"; did you mean "mode"?',
      ],
      [
        () => store.enqueue([{ input: 1, retry: { attempts: 3 } } as Given]),
        'requests[0].retry has no option "attempts"',
      ],
      [() => store.enqueue([{ input: 1, timeouts: { totalMS: 1 } } as Given]), 'did you mean "totalMs"?'],
      [() => store.queryRollouts({ run: 'x' } as Given), 'query has no option "run"'],
      [() => store.querySpans({ rolloutIds: [], kind: ['reward'] } as Given), 'did you mean "kinds"?'],
      [() => store.claim({ workerId: 'w', mode: ['val'] } as Given), 'did you mean "modes"?'],
      [() => store.waitForWork({ queue: ['a'] } as Given), 'did you mean "queues"?'],
      [
        () => store.fail(lease, { cod: 'x', message: '' } as Given),
        'failure has no option "cod"; did you mean "code"?',
      ],
    ] as const)
      await expect(ask()).rejects.toMatchObject({ code: 'store-invalid', message: expect.stringContaining(problem) });
  });
});

it('every public type of options is in the table, or is left out for a reason', () => {
  const known = new Set([...rows.map(({ type }) => type), ...Object.keys(exempt)]);
  const files = globSync('packages/*/src/index.ts', { cwd: `${import.meta.dirname}/..` });
  expect(files.length).toBeGreaterThan(15);
  const missing = files.flatMap((file) => {
    const source = readFileSync(`${import.meta.dirname}/../${file}`, 'utf8');
    const own = source.replaceAll(/export[^;]*from '@agent-lightning[^;]*;/g, '');
    const names = new Set(own.match(/\b[A-Z]\w*Options\b(?!\s*as)/g));
    return [...names].map((name) => `${basename(dirname(dirname(file)))} ${name}`).filter((type) => !known.has(type));
  });
  expect(missing).toEqual([]);
});
