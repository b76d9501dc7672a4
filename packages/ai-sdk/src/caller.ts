import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { AdapterError, type LlmEndpoint } from '@agent-lightning/core';
import {
  currentRollout,
  FrameworkRuns,
  mayHoldMiddleware,
  processWide,
  refuseUntraceable,
  speaksOtherDialect,
  type AgentOptions,
  type FrameworkRun,
  type RolloutScope,
  type TracedRun,
} from '@agent-lightning/tracing';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { LanguageModel } from 'ai';
import { agentRun, modelOutcome, modelRun, type ModelAnswerEvent, type RunDetail } from './spans.ts';

/** The options of a wrapped agent. */
export interface LightningOptions extends AgentOptions {
  /** The agent's name. @default the id of an agent, else the operation's `telemetry.functionId`, else 'agent' */
  readonly name?: string;
}

/** Makes the model that calls the endpoint of a rollout. */
export type PolicyModel = (endpoint: LlmEndpoint) => Exclude<LanguageModel, string>;

export const runs: FrameworkRuns<RunDetail> = FrameworkRuns.of<RunDetail>('ai-sdk');

/** The run that the code belongs to, or the AI SDK's call when nothing has made it a run yet. */
export interface Place {
  readonly runId?: string;
  readonly call?: { readonly callId: string; readonly functionId: string | undefined };
}

/** Keeps the place of the code, as this adapter and the AI SDK's tracing channel say. */
export const places: AsyncLocalStorage<Place> = processWide(
  'agentlightning.ai-sdk.place.v1',
  () => new AsyncLocalStorage<Place>(),
);

/** Runs `work` as a run that has begun. */
export function enter<Result>(runId: string, work: () => Result): Result {
  return places.run({ runId }, () => runs.inside(runId, work));
}

/** Runs the model call of an operation that no agent is around; a wrapped model makes it a run. */
export function enterCall<Result>(callId: string, functionId: string | undefined, work: () => Result): Result {
  return places.run({ call: { callId, functionId } }, work);
}

/** Returns the innermost run around the code, when it belongs to the current rollout. */
export function runAround(): (TracedRun<RunDetail> & { readonly id: string }) | undefined {
  const id = places.getStore()?.runId;
  const run = id === undefined ? undefined : runs.get(id);
  return id === undefined || run === undefined || run.scope !== currentRollout() ? undefined : { ...run, id };
}

export function modelRunId(callId: string): string {
  return `${callId}:model`;
}

/** Holds how an agent or a model is wrapped, by all of its wrappers. */
export interface Wrapping {
  /** The options of its wrappers, innermost first. */
  readonly wrappers: readonly AgentOptions[];
  /** The names that the wrappers give it, innermost first. */
  readonly names: readonly string[];
  /** The `policyModel` of a model's innermost wrapper that has one. */
  readonly policyModel?: PolicyModel | undefined;
}

/** Tells whether a call is followed: in a rollout, and elsewhere where wrappers serve prompts. */
function isFollowed({ wrappers }: Wrapping): boolean {
  return currentRollout() !== undefined || runs.serves(wrappers);
}

/** Returns the run of an agent by the name that its outermost wrapper gives it; it goes by those of the others, too. */
function namedRun(
  { names }: Wrapping,
  otherwise: string,
  parent: RunDetail | undefined,
  more: readonly string[] = [],
): FrameworkRun<RunDetail> {
  return agentRun(names.at(-1) ?? otherwise, parent, [...names.slice(0, -1), ...more]);
}

/** Runs an agent's `generate` or `stream` as a run; a stream's run is ended by the events of its operation. */
export async function callAgent<Result>(
  wrapping: Wrapping,
  agentId: string,
  work: () => PromiseLike<Result>,
  endsWith: 'result' | 'operation',
): Promise<Result> {
  if (!isFollowed(wrapping)) return work();
  const id = randomUUID();
  const parent = runAround()?.detail;
  runs.begin({ id, wrappers: wrapping.wrappers, describe: () => namedRun(wrapping, agentId, parent) });
  try {
    const result = await enter(id, work);
    if (endsWith === 'result') runs.end(id);
    return result;
  } catch (error) {
    runs.fail(id, error);
    throw error;
  }
}

/** The parts of a language model that are read, for every version. */
export interface CalledModel {
  readonly provider: string;
  readonly modelId: string;
  doGenerate(options: unknown): PromiseLike<unknown>;
  doStream(options: unknown): PromiseLike<unknown>;
}

export interface ModelCall {
  readonly model: CalledModel;
  readonly method: 'doGenerate' | 'doStream';
  readonly callOptions: unknown;
  readonly wrapping: Wrapping;
}

/** Calls a wrapped model as the agent that it belongs to. */
export async function callModel(call: ModelCall): Promise<unknown> {
  const { model, method, callOptions, wrapping } = call;
  if (!isFollowed(wrapping)) return model[method](callOptions);
  const around = runAround();
  if (around?.detail.kind === 'model') {
    placeModelCall(around.id, wrapping);
    return callReported(around.id, call);
  }
  const reported = around === undefined ? places.getStore()?.call : undefined;
  if (reported === undefined) return callUnreported(call);
  runs.begin({
    id: reported.callId,
    wrappers: wrapping.wrappers,
    describe: () => {
      const run = namedRun(wrapping, reported.functionId ?? 'agent', undefined, list(reported.functionId));
      return { ...run, detail: { ...run.detail, isOfModel: true } };
    },
  });
  const id = modelRunId(reported.callId);
  beginModel(id, reported.callId, call);
  return callReported(id, call);
}

/** Makes a call that the AI SDK reports, which may not say what was answered; a try that fails is not its end. */
async function callReported(id: string, call: ModelCall): Promise<unknown> {
  const result = await enter(id, () => askModel(id, call));
  const end = (answer: ModelAnswer): void => endModel(id, answer);
  if (call.method === 'doStream') return followStream(result as StreamResult, { end, fail: () => undefined });
  end(() => answerOf(result));
  return result;
}

/** Makes and traces a call that the AI SDK does not report: `generateObject`, telemetry that is off, a model that is called by hand. */
async function callUnreported(call: ModelCall): Promise<unknown> {
  const { wrapping } = call;
  const around = runAround();
  const id = randomUUID();
  const agentId = around === undefined || wrapping.names.length > 0 ? `${id}:agent` : undefined;
  if (agentId !== undefined) {
    const describe = () => namedRun(wrapping, 'agent', around?.detail);
    runs.begin({ id: agentId, wrappers: wrapping.wrappers, describe });
  }
  beginModel(id, agentId ?? around?.id, call);
  const end = (answer: ModelAnswer): void => {
    endModel(id, answer);
    if (agentId !== undefined) runs.end(agentId);
  };
  const fail = (error: unknown): void => {
    runs.fail(id, error);
    if (agentId !== undefined) runs.fail(agentId, error);
  };
  try {
    const result = await enter(id, () => askModel(id, call));
    if (call.method === 'doStream') return followStream(result as StreamResult, { end, fail });
    end(() => answerOf(result));
    return result;
  } catch (error) {
    fail(error);
    throw error;
  }
}

export function answerOf(result: unknown): ModelAnswerEvent {
  const { response, ...answer } = result as ModelAnswerEvent & { readonly response?: ResponseMetadata };
  return { ...answer, responseId: response?.id, modelId: response?.modelId };
}

/** What a model answered; a function where it has to be read out of what the model gave, which may be anything. */
type ModelAnswer = ModelAnswerEvent | (() => ModelAnswerEvent);

export function endModel(id: string, answer: ModelAnswer): void {
  const names = runs.get(id)?.agent.names ?? [];
  runs.end(id, () => modelOutcome(typeof answer === 'function' ? answer() : answer, names));
}

function beginModel(id: string, parentId: string | undefined, { model, wrapping, callOptions }: ModelCall): void {
  const { temperature } = callOptions as { readonly temperature?: unknown };
  runs.begin({
    id,
    parentId,
    wrappers: wrapping.wrappers,
    describe: (parent) =>
      modelRun(parent?.agent.names ?? [], parent?.detail.path ?? '', { modelId: model.modelId, temperature }),
  });
  const run = runs.get(id);
  if (run !== undefined) run.detail.isPlaced = true;
}

/** Gives a model call that has begun the names and the wrappers of the wrapped model. */
function placeModelCall(id: string, { names, wrappers }: Wrapping): void {
  const run = runs.get(id);
  if (run === undefined) return;
  runs.refine(id, wrappers);
  run.agent = { ...run.agent, names: [...new Set([...names, ...run.agent.names])] };
  run.detail.isPlaced = true;
}

async function askModel(id: string, call: ModelCall): Promise<unknown> {
  const { model, method, callOptions } = call;
  const run = runs.get(id);
  if (run === undefined || !runs.isSelected(run)) return model[method](callOptions);
  if (isClosed(call)) return askClosed(run, call);
  run.detail.isRedirected = true;
  return (policyOf(run.scope, call) ?? model)[method](callOptions);
}

/** Tells whether the model can neither be redirected nor replaced without the middleware that it may hold. */
function isClosed({ model, wrapping }: ModelCall): boolean {
  return wrapping.policyModel === undefined && speaksOtherDialect(model.provider) && mayHoldMiddleware(model);
}

/** Calls a model with middleware, in which a wrapped model may lie that asks the policy; refuses the call where none did. */
async function askClosed(run: TracedRun<RunDetail>, { model, method, callOptions }: ModelCall): Promise<unknown> {
  run.detail.isRedirected = false;
  try {
    return await model[method](callOptions);
  } finally {
    if (!run.detail.isRedirected) refuseClosed(run.scope, model);
  }
}

function refuseClosed(scope: RolloutScope, { provider, modelId }: CalledModel): void {
  const error = new AdapterError(
    `${provider} ${modelId} may hold middleware, and its provider's dialect is not redirected, so the policy cannot answer in its place; wrap the model inside: wrapLanguageModel({ model: withLightning(model), middleware })`,
    { code: 'adapter-unsupported' },
  );
  refuseUntraceable(scope, 'ai-sdk-middleware', error);
}

/** Returns the model that answers in the place of a selected one; undefined where that one answers itself. */
function policyOf(scope: RolloutScope, { model, wrapping }: ModelCall): CalledModel | undefined {
  const policyModel = wrapping.policyModel ?? (speaksOtherDialect(model.provider) ? chatModel : undefined);
  if (scope.llm === undefined || policyModel === undefined) return undefined;
  const policy = policyModel(scope.llm) as unknown as CalledModel & { specificationVersion: string };
  const version = (model as Partial<typeof policy>).specificationVersion;
  if (policy.specificationVersion === version) return policy;
  const error = new AdapterError(
    `${model.provider} ${model.modelId} has the specification ${version}, and the policy's model ${policy.specificationVersion}; give a policyModel of the same version`,
    { code: 'adapter-unsupported' },
  );
  refuseUntraceable(scope, 'ai-sdk-model-version', error);
  return undefined;
}

/** Calls the endpoint for a provider that does not speak a dialect of OpenAI or Anthropic. */
const chatModel: PolicyModel = ({ baseUrl, apiKey, model }) =>
  createOpenAICompatible({
    name: 'agent-lightning',
    baseURL: baseUrl,
    apiKey,
    includeUsage: true,
    supportsStructuredOutputs: true,
  })(model);

/** Refuses a selected call of an unwrapped model that cannot have reached the policy; of live traffic it is counted. */
export async function checkPlaced<Result>(
  id: string,
  provider: unknown,
  work: () => PromiseLike<Result>,
): Promise<Result> {
  try {
    return await work();
  } finally {
    const run = runs.get(id);
    if (run !== undefined && run.detail.isPlaced !== true && runs.isSelected(run))
      refuseOtherDialect(run.scope, provider);
  }
}

function refuseOtherDialect(scope: RolloutScope, provider: unknown): void {
  if (!speaksOtherDialect(provider)) return;
  const error = new AdapterError(
    `the provider "${String(provider)}" does not speak a dialect of OpenAI or Anthropic, so its call cannot go to the policy; give the agent withLightning(model), or leave it out with agentMatch`,
    { code: 'adapter-unsupported' },
  );
  refuseUntraceable(scope, 'ai-sdk-other-dialect', error);
}

interface ResponseMetadata {
  readonly id?: unknown;
  readonly modelId?: unknown;
}

interface StreamPart extends ResponseMetadata, ModelAnswerEvent {
  readonly type: string;
  readonly modelId?: unknown;
  readonly error?: unknown;
}

interface StreamResult {
  readonly stream: ReadableStream<StreamPart>;
}

interface CallEnd {
  readonly end: (answer: ModelAnswer) => void;
  readonly fail: (error: unknown) => void;
}

/** Ends a call with what its stream says, however it ends. */
function followStream(result: StreamResult, { end, fail }: CallEnd): StreamResult {
  let answer: ModelAnswerEvent = {};
  const follower = {
    transform(part: StreamPart, controller: TransformStreamDefaultController<StreamPart>): void {
      if (part.type === 'response-metadata') answer = { ...answer, responseId: part.id, modelId: part.modelId };
      if (part.type === 'finish') end({ ...answer, finishReason: part.finishReason, usage: part.usage });
      if (part.type === 'error') fail(part.error);
      controller.enqueue(part);
    },
    flush: (): void => end(answer),
    cancel: (reason: unknown): void => fail(reason ?? new AdapterError('the stream was left', { code: 'cancelled' })),
  };
  return { ...result, stream: result.stream.pipeThrough(new TransformStream(follower)) };
}

function list(name: string | undefined): readonly string[] {
  return name === undefined ? [] : [name];
}
