import { randomUUID } from 'node:crypto';
import {
  answerAttributes,
  currentRollout,
  errorOutcome,
  FrameworkRuns,
  matchesAgent,
  type ModelCallAnswer,
  type SpanOutcome,
  type TracedRun,
} from '@agent-lightning/core';
import { ModelRouterLanguageModel } from '@mastra/core/llm';
import { modelRun, readPart, type StreamPart } from './spans.ts';

/** Mastra's runs inside rollouts. */
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
  /** Its model call that failed last: Mastra may ask again, and that is the same call. */
  failed?: { readonly id: string; readonly outcome: SpanOutcome };
}

/** Ends what failed for good. */
export function endFailedCall(call: AgentCall): void {
  if (call.failed !== undefined) runs.end(call.failed.id, call.failed.outcome);
  delete call.failed;
}

/** The model that an agent's run calls: the policy's for a selected agent, else its own, traced. */
export async function chooseModel(call: AgentCall, resolve: () => PromiseLike<unknown>): Promise<unknown> {
  const run = runs.get(call.id);
  if (run === undefined || run.scope !== currentRollout()) return resolve();
  const policy = policyModel(run);
  if (policy !== undefined) return traced(policy as unknown as ResolvedModel, call);
  const own = (await resolve()) as ResolvedModel;
  return typeof own?.doGenerate === 'function' && typeof own.doStream === 'function' ? traced(own, call) : own;
}

function policyModel({ scope: { llm }, agent }: TracedRun<undefined>): ModelRouterLanguageModel | undefined {
  if (llm === undefined || !matchesAgent(agent.names, agent.agentMatch)) return undefined;
  return new ModelRouterLanguageModel({
    id: `agent-lightning/${llm.model}`,
    url: llm.baseUrl,
    apiKey: llm.apiKey,
  });
}

/** The same model, whose calls are reported; what it keeps private stays reachable to its own methods. */
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
