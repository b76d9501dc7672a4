/**
 * Attribute names of spans. GenAI names follow open-telemetry/semantic-conventions-genai; `agentlightning.*` names that
 * Agent Lightning 0.3 has are kept; the others are ours.
 */
export const attributeNames = {
  // model calls
  operationName: 'gen_ai.operation.name',
  providerName: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  requestTemperature: 'gen_ai.request.temperature',
  requestMaxTokens: 'gen_ai.request.max_tokens',
  requestSeed: 'gen_ai.request.seed',
  requestStream: 'gen_ai.request.stream',
  requestChoices: 'gen_ai.request.choice.count',
  requestTopP: 'gen_ai.request.top_p',
  requestStopSequences: 'gen_ai.request.stop_sequences',
  responseId: 'gen_ai.response.id',
  responseModel: 'gen_ai.response.model',
  finishReasons: 'gen_ai.response.finish_reasons',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  /** The input tokens that the model's server read from a cache; they are among `inputTokens`. */
  cachedTokens: 'gen_ai.usage.cache_read.input_tokens',
  /** JSON: the chat messages as the request had them. */
  inputMessages: 'gen_ai.input.messages',
  /** JSON: the assistant messages as the reply had them. */
  outputMessages: 'gen_ai.output.messages',
  /** JSON: the tools as the request had them. */
  toolDefinitions: 'gen_ai.tool.definitions',
  errorType: 'error.type',
  // tools and agents
  toolName: 'gen_ai.tool.name',
  toolCallId: 'gen_ai.tool.call.id',
  toolArguments: 'gen_ai.tool.call.arguments',
  toolResult: 'gen_ai.tool.call.result',
  agentName: 'gen_ai.agent.name',
  // ours
  /** `gateway` when the span was captured by the gateway, `framework` when an adapter reported it. */
  source: 'agentlightning.source',
  /** The dialect of the call: `chat`, `completions`, `responses` or `messages`. */
  dialect: 'agentlightning.dialect',
  /** Every name that `agentMatch` is tested against, most specific first. */
  agentNames: 'agentlightning.agent.names',
  /** True when the agent's model calls go to the policy; on spans of frameworks, where the rollout has a policy. */
  agentSelected: 'agentlightning.agent.selected',
  /** The `agentMatch` that selected the agent, as it was written; absent where none did. */
  agentMatch: 'agentlightning.agent.match',
  /** Every `agentMatch` that was asked before and does not match the agent, as they were written, innermost first. */
  agentUnmatched: 'agentlightning.agent.unmatched',
  /** Names what a span executes, such as one task of a graph: a later span of the same name executes it again from its start. */
  execution: 'agentlightning.execution',
  /** The host that answered model calls instead of the gateway. */
  outsideHost: 'agentlightning.outside.host',
  /** The client that sent model calls past the gateway, as its `user-agent` begins. */
  outsideClient: 'agentlightning.outside.client',
  /** The number of model calls that this host answered. */
  outsideCalls: 'agentlightning.outside.calls',
  policy: 'agentlightning.policy',
  policyVersion: 'agentlightning.policy.version',
  /** The reason why a captured call must not be trained on; absent when it may. */
  untrainable: 'agentlightning.untrainable',
  /** The index of the reply's choice that the span holds, from 0; a call with n > 1 has one span for each, sharing the response id. */
  choiceIndex: 'agentlightning.response.choice',
  /** The span id of the call's first choice, which holds the messages, the tools and the prompt's token ids for the others too. */
  promptSpan: 'agentlightning.prompt.span',
  /** Named rules that changed what the agent asked for, such as `temperature:0.2→1` or `top_p:dropped`. */
  samplingRules: 'agentlightning.sampling.rules',
  /** The way in which the policy was asked for structured output: `prompt` or `grammar`; absent where the agent asked for none. */
  structuredOutput: 'agentlightning.sampling.structured_output',
  /** True when the reply was cut short before the agent had it. */
  incomplete: 'agentlightning.incomplete',
  /** Names of the span's attributes that were longer than a store takes, and left out; tokens are not among them. */
  omitted: 'agentlightning.omitted',
  /** The number of times that the upstream was asked again before it answered. */
  retries: 'agentlightning.upstream.retries',
  /** The sampler: `embedded` for an engine in this process, else the upstream's URL without credentials. */
  upstream: 'agentlightning.upstream.url',
  /** The name by which the upstream was asked for its model, which may answer under another name and is not the one that the agent asked for. */
  upstreamModel: 'agentlightning.upstream.model',
  /** True when the call failed because what samples was away or broke, whatever the agent asked. */
  outage: 'agentlightning.upstream.outage',
  timeToFirstTokenMs: 'agentlightning.time_to_first_token_ms',
  /** The name of a prompt that was rendered, or the names of those put into a model call, on a span of kind `object`. */
  promptName: 'agentlightning.prompt.name',
  /** The names of the found prompts of an agent that did not stand in a model call of it, on a span of kind `object`. */
  promptMissing: 'agentlightning.prompt.missing',
  /** The texts of a model call that a developer may have written, as JSON, on a span of kind `object` of a dry run. */
  promptPlaces: 'agentlightning.prompt.places',
  /** The id of the resources that a rendered prompt's text came from, as the rollout names them. */
  promptResources: 'agentlightning.prompt.resources',
  messageBody: 'agentlightning.message.body',
  objectType: 'agentlightning.object.type',
  objectJson: 'agentlightning.object.json',
  operationLabel: 'agentlightning.operation.name',
  operationInput: 'agentlightning.operation.input',
  operationOutput: 'agentlightning.operation.output',
  /** True on the operation in which a judge scored: its output is a reward. */
  isJudge: 'agentlightning.judge',
  /** The text that a command printed, capped. */
  commandStdout: 'agentlightning.command.stdout',
  commandStderr: 'agentlightning.command.stderr',
  commandExitCode: 'process.exit.code',
  commandSignal: 'agentlightning.command.signal',
  /** The scope of a reward: `rollout`, `agent` or `span`. */
  rewardScope: 'agentlightning.reward.scope',
  /** The agent name or span id that a scoped reward is for. */
  rewardTarget: 'agentlightning.reward.target',
  /** The text that says why a reward is what it is. */
  rewardFeedback: 'agentlightning.reward.feedback',
  exceptionType: 'exception.type',
  exceptionMessage: 'exception.message',
  exceptionStacktrace: 'exception.stacktrace',
} as const;

/** Returns `agentlightning.reward.{index}.name`; index 0 is the primary dimension. */
export function rewardNameAttribute(index: number): string {
  return `agentlightning.reward.${index}.name`;
}

/** Returns `agentlightning.reward.{index}.value`. */
export function rewardValueAttribute(index: number): string {
  return `agentlightning.reward.${index}.value`;
}
