// adapter-kit
export { mayHoldMiddleware, speaksOtherDialect } from './adapter-kit/ai-models.ts';
export { type AgentOptions, agentOptions } from './selection/agent-options.ts';
export { createProxy } from './adapter-kit/create-proxy.ts';
export { type FrameworkRun, FrameworkRuns, type TracedRun } from './adapter-kit/framework-runs.ts';
export {
  type FrameworkSpan,
  type ModelCallAnswer,
  type ToolCallStart,
  agentSpan,
  answerAttributes,
  attemptSpan,
  markExecution,
  modelCallSpan,
  toolOutcome,
  toolSpan,
} from './adapter-kit/framework-spans.ts';
export { runBeside } from './adapter-kit/run-beside.ts';
export { decodeAgentNames, gatewayHeaders } from './adapter-kit/gateway-headers.ts';

// emit
export {
  type EmitOptions,
  type EmitRewardOptions,
  emitException,
  emitMessage,
  emitObject,
  emitReward,
} from './emit/emitters.ts';
export { operation, runOperation } from './emit/operation.ts';

// prompts
export {
  type PromptTemplate,
  type PromptValue,
  type PromptVariables,
  promptTemplate,
} from './prompts/prompt-template.ts';
export { findVariables } from './prompts/template-text.ts';

// prompts in model calls
export { type FoundPrompt, replacePrompts } from './found-prompts/replace-prompts.ts';
export { loadPrompts } from './found-prompts/load-prompts.ts';
export { promptKit } from './found-prompts/prompt-kit.ts';

// judges
export {
  type Judge,
  type JudgedAnswer,
  type Judgement,
  type JudgeOptions,
  type JudgeStatistics,
  judge,
} from './judges/judge.ts';
export { type ComparedRollout, type Comparison, type ComparisonOptions, compare } from './judges/compare.ts';
export { type Agreement, type LabelledAnswer, measureAgreement } from './judges/measure-agreement.ts';

// models that answer in words
export { type AskModel, type ChatModel, type TextAnswer, type TextModel, toAskModel } from './models/text-model.ts';
export { runMetered } from './spending/model-meter.ts';

// redirect
export { anthropicBaseUrl } from './redirect/anthropic-calls.ts';
export { installFetchRedirect } from './redirect/fetch-redirect.ts';
export { recordOutsideCalls, watchOutsideCalls } from './redirect/outside-calls.ts';

// scope
export { bindToRollout } from './scope/bind-to-rollout.ts';
export { type ActiveAgent, type ActiveSpan, activeSpan, runInSpan } from './scope/active-span.ts';
export { processWide } from './scope/process-wide.ts';
export { type RolloutScope, currentRollout, requireRollout, runInRollout } from './scope/rollout-scope.ts';
export { isLive, refuseUntraceable } from './scope/untraceable.ts';

// writing
export { capText, describeValue, flattenAttributes } from './writing/attribute-values.ts';
export { errorOutcome, exceptionAttributes } from './writing/exception-attributes.ts';
export {
  type OpenSpan,
  type SpanOutcome,
  type StartSpan,
  TraceRecorder,
  type TraceRecorderOptions,
} from './writing/trace-recorder.ts';

// ids in requests
export { deriveTraceId, formatTraceParent, parseTraceParent, randomSpanId } from './writing/identifiers.ts';

// limits of what a span holds
export { storeLimits } from '@agent-lightning/store';
