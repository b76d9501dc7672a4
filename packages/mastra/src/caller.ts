import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { AdapterError, type LlmEndpoint } from '@agent-lightning/core';
import {
  answerAttributes,
  currentRollout,
  errorOutcome,
  FrameworkRuns,
  mayHoldMiddleware,
  refuseUntraceable,
  runBeside,
  speaksOtherDialect,
  toolOutcome,
  type ModelCallAnswer,
  type RolloutScope,
  type SpanOutcome,
} from '@agent-lightning/tracing';
import { ModelRouterLanguageModel } from '@mastra/core/llm';
import { modelRun, readPart, toolRun, type StreamPart } from './spans.ts';

/** Holds Mastra's runs inside rollouts. */
export const runs: FrameworkRuns<undefined> = FrameworkRuns.of('mastra');

/** A model as Mastra resolves it: both of its methods answer with a stream. */
interface ResolvedModel {
  readonly modelId: string;
  doGenerate(options: unknown): PromiseLike<Answer>;
  doStream(options: unknown): PromiseLike<Answer>;
}

interface Answer {
  readonly stream: ReadableStream<StreamPart>;
}

/** The run of an agent. */
export interface AgentCall {
  readonly id: string;
  readonly agent: object;
  /** The model call of the run that failed last: Mastra may ask again, and that is the same call. */
  failed?: { readonly id: string; readonly outcome: SpanOutcome };
  /** Tells that live traffic has counted that the policy cannot answer; Mastra resolves a model several times for one call. */
  isCounted?: boolean;
}

const calls = new AsyncLocalStorage<AgentCall>();

/** Returns the agent's run that the code belongs to. */
export function currentCall(): AgentCall | undefined {
  return calls.getStore();
}

/** A method as it was. */
export type Original = (args: never[]) => unknown;

/** Runs an agent that answers at once. */
export async function callAgent(call: AgentCall, work: () => unknown): Promise<unknown> {
  try {
    const result = await inside(call, work);
    endFailedCall(call);
    runs.end(call.id);
    return result;
  } catch (error) {
    endFailedCall(call);
    runs.fail(call.id, error);
    throw error;
  }
}

/** Declares what Mastra's stream says of its end, however it ends. */
interface StreamOutput {
  readonly status?: string;
  readonly error?: unknown;
  _waitUntilFinished?(): Promise<void>;
}

/**
 * Runs an agent that streams; the run ends when Mastra says that the stream does. Callbacks are not used for that: those of a call would
 * take the place of the agent's own.
 */
export async function streamAgent(call: AgentCall, work: () => unknown): Promise<unknown> {
  try {
    const output = (await inside(call, work)) as StreamOutput | undefined;
    void output?._waitUntilFinished?.().then(() => endStream(call, output));
    return output;
  } catch (error) {
    endFailedCall(call);
    runs.fail(call.id, error);
    throw error;
  }
}

function endStream(call: AgentCall, { status, error }: StreamOutput): void {
  endFailedCall(call);
  if (status === 'failed') return runs.fail(call.id, error);
  if (status === 'canceled') return runs.end(call.id, errorOutcome('the stream was aborted'));
  // A call that waits for an approval is no error.
  runs.end(call.id, status === 'suspended' ? { status: { code: 'unset' } } : undefined);
}

/** Runs an agent's code. Its tools and its model's calls are its own work; processors, memories and the like may have models of their own. */
function inside<Result>(call: AgentCall, work: () => Result): Result {
  return calls.run(call, () => runs.inside(call.id, () => runBeside([], work)));
}

/** Ends what failed for good. */
function endFailedCall(call: AgentCall): void {
  if (call.failed !== undefined) runs.end(call.failed.id, call.failed.outcome);
  delete call.failed;
}

/** Runs a workflow or a step of one, whose failure Mastra gives as its result. */
export async function runStep(
  id: string,
  work: () => unknown,
  outcomeOf: (returned: unknown) => SpanOutcome,
): Promise<unknown> {
  try {
    const returned = await runs.inside(id, work);
    runs.end(id, () => outcomeOf(returned));
    return returned;
  } catch (error) {
    runs.fail(id, error);
    throw error;
  }
}

type Execute = (args: unknown, options?: { readonly toolCallId?: string }, ...rest: unknown[]) => unknown;
export type Tools = Record<string, { execute?: Execute }>;

/** Returns the tools of one run, whose executions are runs. */
export function followTools(tools: Tools): Tools {
  return Object.fromEntries(
    Object.entries(tools).map(([name, tool]) => {
      const { execute } = tool;
      if (execute === undefined) return [name, tool];
      const traced: Execute = (args, options, ...rest) => {
        const id = randomUUID();
        runs.begin({ id, parentId: currentCall()?.id, describe: () => toolRun(name, args, options?.toolCallId) });
        // Mastra gives a tool's error to the model as its result.
        const outcomeOf = (result: unknown) => (result instanceof Error ? errorOutcome(result) : toolOutcome(result));
        return runStep(id, () => execute.call(tool, args, options, ...rest), outcomeOf);
      };
      return [name, { ...tool, execute: traced }];
    }),
  );
}

/** Resolves what Mastra takes for a model: an instance, an id, an endpoint, or a function that gives one of them. */
export type ResolveModel = (given: unknown) => PromiseLike<unknown>;

/** Returns the model that an agent's run calls: its own, whose calls are redirected for a selected agent, or the policy's where they cannot be. */
export async function chooseModel(call: AgentCall, given: unknown, resolve: ResolveModel): Promise<unknown> {
  const run = runs.get(call.id);
  if (run === undefined || run.scope !== currentRollout()) return resolve(given);
  const { llm } = run.scope;
  if (llm !== undefined && runs.isSelected(run))
    return traced(await selectedModel(call, run.scope, llm, given, resolve), call);
  const own = (await resolve(given)) as ResolvedModel;
  return typeof own?.doGenerate === 'function' && typeof own.doStream === 'function' ? traced(own, call) : own;
}

/**
 * Returns the model that answers for a selected agent. Its own model stays where its calls can be redirected, with what the app gave it: its
 * `fetch`, its headers, what it makes of the options of its provider. One that may hold middleware stays in any case.
 * @throws {AdapterError} `adapter-unsupported` in training, when the calls of a model that may hold middleware cannot be redirected
 */
async function selectedModel(
  call: AgentCall,
  scope: RolloutScope,
  llm: LlmEndpoint,
  given: unknown,
  resolve: ResolveModel,
): Promise<ResolvedModel> {
  const model = typeof given === 'function' ? await modelOf(given, resolve) : given;
  const isWrapped = mayHoldMiddleware(model);
  if (isWrapped) refuseOtherDialect(call, scope, (model as { readonly provider?: unknown }).provider);
  if (isWrapped || isRedirected(model)) return (await resolve(model)) as ResolvedModel;
  return policyModel(llm, settingsOf(model).headers) as unknown as ResolvedModel;
}

/** Holds the members of what an app gives as a model that are read: an instance of a model, or the settings of Mastra's model router. */
interface ModelSettings {
  readonly provider?: unknown;
  readonly url?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly doGenerate?: unknown;
}

function settingsOf(model: unknown): ModelSettings {
  if (typeof model !== 'object' || model === null) return {};
  return model instanceof ModelRouterLanguageModel ? (model as unknown as { config: ModelSettings }).config : model;
}

/** Tells whether a model's calls reach the policy by the redirect. The model router calls a URL in OpenAI's dialect; by an id alone it may use any. */
function isRedirected(model: unknown): boolean {
  const { doGenerate, provider, url } = settingsOf(model);
  return doGenerate === undefined ? url !== undefined : !speaksOtherDialect(provider);
}

/** Credentials and routing of another provider, which the endpoint has no business to see. */
const providerHeaders =
  /^(authorization|(x-)?(goog-)?api-key|openai-(organization|project)|cookie|host|content-length)$/i;

/** Makes Mastra's model router for the endpoint, with the app's own headers but for those that are meant for another provider. */
function policyModel(
  { baseUrl, apiKey, model }: LlmEndpoint,
  headers: Readonly<Record<string, string>> = {},
): ModelRouterLanguageModel {
  return new ModelRouterLanguageModel({
    id: `agent-lightning/${model}`,
    url: baseUrl,
    apiKey,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !providerHeaders.test(name))),
  });
}

/** Refuses a model with middleware that cannot be redirected; of live traffic it is counted once for each call of the agent. */
function refuseOtherDialect(call: AgentCall, scope: RolloutScope, provider: unknown): void {
  if (!speaksOtherDialect(provider) || call.isCounted === true) return;
  const message = `the model of the provider "${String(provider)}" may hold middleware, and that provider's dialect is not redirected, so the policy cannot answer in its place; give the agent the model without middleware in training`;
  const error = new AdapterError(message, { code: 'adapter-unsupported' });
  refuseUntraceable(scope, 'mastra-model-middleware', error);
  call.isCounted = true;
}

type ModelFunction = (context: unknown) => unknown;

/** Returns what an agent's function gives as its model; undefined where it fails, as it may without the key of the own model. */
async function modelOf(given: unknown, resolve: ResolveModel): Promise<unknown> {
  let model: unknown;
  const listen: ModelFunction = async (context) => (model = await (given as ModelFunction)(context));
  try {
    await resolve(listen);
  } catch {
    return undefined; // the policy's model answers
  }
  return model;
}

/** Returns the same model, whose calls are reported; what it keeps private stays reachable to its own methods. */
function traced(model: ResolvedModel, call: AgentCall): ResolvedModel {
  return new Proxy(model, {
    get(target, key) {
      if (key === 'doGenerate' || key === 'doStream') return (options: unknown) => ask(target, key, options, call);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function ask(
  model: ResolvedModel,
  method: 'doGenerate' | 'doStream',
  options: unknown,
  call: AgentCall,
): Promise<Answer> {
  const agent = runs.get(call.id);
  if (agent === undefined) return model[method](options);
  const id = call.failed?.id ?? randomUUID();
  delete call.failed;
  runs.begin({ id, parentId: call.id, describe: () => modelRun(agent.agent.names, model.modelId, options) });
  try {
    const answer = await runs.inside(call.id, () => model[method](options));
    return { ...answer, stream: followStream(answer.stream, id, call) };
  } catch (error) {
    call.failed = { id, outcome: errorOutcome(error) };
    throw error;
  }
}

/** Ends a call with what its stream says, however it ends. */
function followStream(stream: ReadableStream<StreamPart>, id: string, call: AgentCall): ReadableStream<StreamPart> {
  let answer: ModelCallAnswer = {};
  let failure: SpanOutcome | undefined;
  const follower = {
    transform(part: StreamPart, controller: TransformStreamDefaultController<StreamPart>): void {
      answer = { ...answer, ...readPart(part) };
      if (part.type === 'error') failure = errorOutcome(part.error);
      controller.enqueue(part);
    },
    flush(): void {
      if (failure === undefined) runs.end(id, { attributes: answerAttributes(answer) });
      else call.failed = { id, outcome: failure };
    },
    cancel(reason: unknown): void {
      runs.end(id, errorOutcome(reason ?? 'the stream was left'));
    },
  };
  return stream.pipeThrough(new TransformStream(follower));
}
