import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import {
  answerAttributes,
  currentRollout,
  errorOutcome,
  FrameworkRuns,
  toolOutcome,
  type ModelCallAnswer,
  type SpanOutcome,
  type TracedRun,
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

type Listener = (event: { readonly error?: unknown }) => unknown;

interface StreamCallbacks {
  readonly onFinish?: Listener;
  readonly onError?: Listener;
  readonly onAbort?: Listener;
}

/** Declares what Mastra's stream says beside its callbacks, which are not called for one that waits for an approval. */
interface StreamOutput {
  readonly status?: string;
  _waitUntilFinished?(): Promise<void>;
}

/** Runs an agent that streams; the run ends when Mastra says that the stream does. */
export async function streamAgent(
  call: AgentCall,
  stream: Original,
  [messages, given, ...rest]: unknown[],
): Promise<unknown> {
  const callbacks = (given ?? {}) as StreamCallbacks;
  const ending = (listener: Listener | undefined, end: (error: unknown) => void): Listener => {
    return async (event) => {
      endFailedCall(call);
      end(event?.error);
      await listener?.(event);
    };
  };
  const options = {
    ...callbacks,
    onFinish: ending(callbacks.onFinish, () => runs.end(call.id)),
    onError: ending(callbacks.onError, (error) => runs.fail(call.id, error)),
    onAbort: ending(callbacks.onAbort, () =>
      runs.end(call.id, { status: { code: 'error', message: 'the stream was aborted' } }),
    ),
  };
  try {
    const output = (await inside(call, () => stream([messages, options, ...rest] as never[]))) as StreamOutput;
    void output?._waitUntilFinished?.().then(() => {
      if (output.status === 'suspended') runs.end(call.id, { status: { code: 'unset' } });
    });
    return output;
  } catch (error) {
    endFailedCall(call);
    runs.fail(call.id, error);
    throw error;
  }
}

function inside<Result>(call: AgentCall, work: () => Result): Result {
  return calls.run(call, () => runs.inside(call.id, work));
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
    runs.end(id, outcomeOf(returned));
    return returned;
  } catch (error) {
    runs.fail(id, error);
    throw error;
  }
}

type Execute = (args: unknown, options?: { readonly toolCallId?: string }) => unknown;
export type Tools = Record<string, { execute?: Execute }>;

/** Returns the tools of one run, whose executions are runs. */
export function followTools(tools: Tools): Tools {
  return Object.fromEntries(
    Object.entries(tools).map(([name, tool]) => {
      const { execute } = tool;
      if (execute === undefined) return [name, tool];
      const traced: Execute = (args, options) => {
        const id = randomUUID();
        runs.begin({ id, describe: () => toolRun(name, args, options?.toolCallId) });
        // Mastra gives a tool's error to the model as its result.
        const outcomeOf = (result: unknown) => (result instanceof Error ? errorOutcome(result) : toolOutcome(result));
        return runStep(id, () => execute(args, options), outcomeOf);
      };
      return [name, { ...tool, execute: traced }];
    }),
  );
}

/** Returns the model that an agent's run calls: the policy's for a selected agent, else its own, traced. */
export async function chooseModel(call: AgentCall, resolve: () => PromiseLike<unknown>): Promise<unknown> {
  const run = runs.get(call.id);
  if (run === undefined || run.scope !== currentRollout()) return resolve();
  const policy = policyModel(run);
  if (policy !== undefined) return traced(policy as unknown as ResolvedModel, call);
  const own = (await resolve()) as ResolvedModel;
  return typeof own?.doGenerate === 'function' && typeof own.doStream === 'function' ? traced(own, call) : own;
}

function policyModel(run: TracedRun<undefined>): ModelRouterLanguageModel | undefined {
  const { llm } = run.scope;
  if (llm === undefined || !runs.isSelected(run)) return undefined;
  return new ModelRouterLanguageModel({
    id: `agent-lightning/${llm.model}`,
    url: llm.baseUrl,
    apiKey: llm.apiKey,
  });
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
