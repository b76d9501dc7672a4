/** Measures rollouts by the app's own meter provider. Names of `gen_ai` are those of the conventions, version 0.1.0. */
import type { Attributes, Counter, Histogram, Meter, MeterProvider } from '@opentelemetry/api';
import { attributeNames as names, readReward, type Failure, type Span } from '@agent-lightning/core';
import { hasMeterProvider, scopeName, scopeVersion, type OpenTelemetryApi } from './load-api.ts';
import { mapSpan } from './map-span.ts';

/** An attempt that has ended. */
export interface EndedAttempt {
  readonly mode: string;
  readonly status: string;
  readonly failure: Failure | undefined;
  readonly seconds: number;
  /** The spans of the attempt, each model call once. */
  readonly spans: readonly Span[];
}

interface Instruments {
  readonly rollouts: Counter;
  readonly rolloutSeconds: Histogram;
  readonly reward: Histogram;
  readonly callSeconds: Histogram;
  readonly inputTokens: Counter;
  readonly outputTokens: Counter;
  readonly toolSeconds: Histogram;
  readonly agentSeconds: Histogram;
}

const instrumentsOf = new WeakMap<MeterProvider, Instruments>();

/** Counts an attempt, its rewards, its calls and their tokens; does nothing where no provider of meters is registered. */
export function countAttempt(api: OpenTelemetryApi, { mode, status, failure, seconds, spans }: EndedAttempt): void {
  if (!hasMeterProvider(api)) return;
  const provider = api.metrics.getMeterProvider();
  const instruments = instrumentsOf.get(provider) ?? createInstruments(provider.getMeter(scopeName, scopeVersion));
  instrumentsOf.set(provider, instruments);
  const common = { 'agentlightning.rollout.mode': mode };
  const ended: Attributes = { ...common, 'agentlightning.rollout.status': status };
  if (failure !== undefined) ended[names.errorType] = failure.code;
  instruments.rollouts.add(1, ended);
  instruments.rolloutSeconds.record(seconds, ended);
  for (const span of spans) countSpan(instruments, span, common);
}

function countSpan(instruments: Instruments, span: Span, common: Attributes): void {
  const seconds = (span.endTimeMs - span.startTimeMs) / 1_000;
  if (span.kind === 'reward') return countReward(instruments, span, common);
  if (span.kind !== 'tool_call' && span.kind !== 'agent' && span.kind !== 'model_call') return;
  const { attributes } = mapSpan(span, false);
  const pick = (...wanted: readonly string[]): Attributes =>
    Object.fromEntries(wanted.flatMap((name) => (attributes[name] === undefined ? [] : [[name, attributes[name]]])));
  if (span.kind === 'tool_call')
    return instruments.toolSeconds.record(seconds, pick(names.operationName, names.toolName, names.errorType));
  if (span.kind === 'agent')
    return instruments.agentSeconds.record(seconds, pick(names.operationName, names.agentName, names.errorType));
  const call = pick(names.operationName, names.providerName, names.requestModel, names.responseModel);
  const isFirstChoice = (attributes[names.choiceIndex] ?? 0) === 0;
  if (isFirstChoice) {
    instruments.callSeconds.record(seconds, { ...call, ...pick(names.errorType, 'server.address', 'server.port') });
    addTokens(instruments.inputTokens, attributes[names.inputTokens], call);
  }
  addTokens(instruments.outputTokens, attributes[names.outputTokens], call);
}

function addTokens(counter: Counter, tokens: unknown, attributes: Attributes): void {
  if (typeof tokens === 'number' && tokens >= 0) counter.add(tokens, attributes);
}

/** Records each reward that is for the rollout as a whole, by its primary dimension. */
function countReward({ reward }: Instruments, span: Span, common: Attributes): void {
  let read: ReturnType<typeof readReward>;
  try {
    read = readReward(span);
  } catch {
    return; // malformed, by another writer; the run counts it as a problem of the trace
  }
  const [primary] = read?.dimensions ?? [];
  if (read?.scope === 'rollout' && primary !== undefined)
    reward.record(primary.value, { ...common, 'gen_ai.evaluation.name': primary.name });
}

/** The boundaries in seconds that the conventions want for calls. */
const secondsBoundaries = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/** Boundaries for rewards, which are mostly from −1 to 1. */
const rewardBoundaries = [-1, -0.5, -0.25, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 2, 5, 10];

function createInstruments(meter: Meter): Instruments {
  const seconds = (name: string, description: string): Histogram =>
    meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries: secondsBoundaries } });
  const tokens = (name: string, description: string): Counter =>
    meter.createCounter(name, { unit: '{token}', description });
  return {
    rollouts: meter.createCounter('agentlightning.rollouts', {
      unit: '{rollout}',
      description: 'Attempts at rollouts that ended, by status',
    }),
    rolloutSeconds: seconds('agentlightning.rollout.duration', 'Duration of attempts at rollouts'),
    reward: meter.createHistogram('agentlightning.reward', {
      unit: '1',
      description: 'Rewards of rollouts, by their primary dimension',
      advice: { explicitBucketBoundaries: rewardBoundaries },
    }),
    callSeconds: seconds('gen_ai.client.inference.duration', 'Duration of model calls'),
    inputTokens: tokens('gen_ai.client.inference.usage.input_tokens', 'Tokens of prompts'),
    outputTokens: tokens('gen_ai.client.inference.usage.output_tokens', 'Tokens of responses'),
    toolSeconds: seconds('gen_ai.execute_tool.duration', 'Duration of tool calls'),
    agentSeconds: seconds('gen_ai.invoke_agent.duration', 'Duration of agents'),
  };
}
