import {
  agentOptions,
  currentRollout,
  errorOutcome,
  FrameworkRuns,
  type AgentOptions,
  type FrameworkSpan,
} from '@agent-lightning/tracing';
import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import type { Serialized } from '@langchain/core/load/serializable';
import type { LLMResult } from '@langchain/core/outputs';
import { isGraphBubbleUp } from '@langchain/langgraph';
import {
  answerOf,
  describeChain,
  describeModelCall,
  describeTool,
  graphName,
  isBesideAgent,
  isGraphRun,
  placeRun,
  readPlace,
  toolAnswer,
  triesChildren,
  type NodePlace,
} from './spans.ts';

/** Holds LangChain's runs inside rollouts, by their run ids. */
export const runs: FrameworkRuns<NodePlace> = FrameworkRuns.of('langgraph');

type Metadata = Record<string, unknown>;

/** A run that begins, before it is known whether it becomes a span. */
interface Beginning {
  readonly runId: string;
  readonly parentRunId: string | undefined;
  readonly metadata: Metadata | undefined;
  readonly chain?: Serialized;
  readonly runName?: string | undefined;
}

/** Reports the runs of LangChain and LangGraph inside a rollout as spans; outside one it does nothing. `withLightning` attaches it. */
export class LightningCallbackHandler extends BaseCallbackHandler {
  override name = 'lightning_callback_handler';
  /** Waits for handlers, because LangChain's background queue runs handlers in the async context of another rollout. */
  override awaitHandlers = true;
  /** A trace that cannot be written must not pass for an agent that did nothing. */
  override raiseError = true;
  readonly #wrappers: readonly AgentOptions[];

  /**
   * Makes a handler that selects by its own options, and inside them by those of the wrappers that are there already, innermost first.
   * @throws {ConfigurationError} `option-invalid` when `agentMatch` is not a regular expression or a name
   */
  constructor(options: AgentOptions = {}, inner: readonly AgentOptions[] = []) {
    super();
    this.#wrappers = [...inner, agentOptions(options)];
  }

  // One handler for one wrapped graph: copies would each report.
  override copy(): this {
    return this;
  }

  override handleChainStart(
    chain: Serialized,
    _inputs: unknown,
    runId: string,
    parentRunId?: string,
    tags?: string[],
    metadata?: Metadata,
    _runType?: string,
    runName?: string,
  ): void {
    this.#begin({ runId, parentRunId, metadata, chain, runName }, (place, parent) =>
      describeChain(runName, tags, place, parent),
    );
  }

  override handleChainEnd(_outputs: unknown, runId: string): void {
    runs.end(runId);
  }

  override handleChainError(error: unknown, runId: string): void {
    // An interrupt or a command to a parent graph is control flow, not a failure.
    runs.end(runId, isGraphBubbleUp(error) ? { status: { code: 'unset' } } : errorOutcome(error));
  }

  override handleChatModelStart(
    _model: Serialized,
    _messages: unknown,
    runId: string,
    parentRunId?: string,
    extraParams?: Metadata,
    _tags?: string[],
    metadata?: Metadata,
  ): void {
    this.#begin({ runId, parentRunId, metadata }, (place, parent) =>
      describeModelCall('chat', place, parent, extraParams),
    );
  }

  override handleLLMStart(
    _model: Serialized,
    _prompts: string[],
    runId: string,
    parentRunId?: string,
    extraParams?: Metadata,
    _tags?: string[],
    metadata?: Metadata,
  ): void {
    this.#begin({ runId, parentRunId, metadata }, (place, parent) =>
      describeModelCall('text_completion', place, parent, extraParams),
    );
  }

  override handleLLMEnd(
    output: LLMResult,
    runId: string,
    _parentRunId?: string,
    _tags?: string[],
    extraParams?: Metadata,
  ): void {
    runs.end(runId, () => answerOf(output, extraParams));
  }

  override handleLLMError(error: unknown, runId: string): void {
    runs.fail(runId, error);
  }

  override handleToolStart(
    tool: Serialized,
    input: string,
    runId: string,
    parentRunId?: string,
    _tags?: string[],
    metadata?: Metadata,
    runName?: string,
    toolCallId?: string,
  ): void {
    this.#begin({ runId, parentRunId, metadata }, (place) =>
      describeTool({ name: runName ?? tool.id.at(-1) ?? 'tool', arguments: input, callId: toolCallId }, place),
    );
  }

  override handleToolEnd(output: unknown, runId: string): void {
    runs.end(runId, () => toolAnswer(output));
  }

  override handleToolError(error: unknown, runId: string): void {
    runs.end(runId, isGraphBubbleUp(error) ? { status: { code: 'unset' } } : errorOutcome(error));
  }

  #begin(
    beginning: Beginning,
    describe: (place: NodePlace, parent: NodePlace | undefined) => FrameworkSpan | undefined,
  ): void {
    if (runs.size === 0 && currentRollout() === undefined && !runs.serves(this.#wrappers)) return;
    const { runId, parentRunId } = beginning;
    const parent = parentRunId === undefined ? undefined : runs.get(parentRunId)?.detail;
    const place = runs.get(runId)?.detail ?? placeOf(beginning, parent);
    runs.begin({
      id: runId,
      parentId: parentRunId,
      wrappers: this.#wrappersAt(place, parent),
      describe: (traced) => placeRun(place, traced?.detail, describe(place, traced?.detail)),
    });
  }

  /** Returns the wrappers that decide at a place: where code is beside its agent, those that name what they select. */
  #wrappersAt({ silent }: NodePlace, parent: NodePlace | undefined): readonly AgentOptions[] {
    const wrappers = this.#wrappers.filter((wrapper) => parent?.silent?.has(wrapper) !== true);
    if (silent === undefined || silent === parent?.silent) return wrappers;
    for (const wrapper of wrappers) if (wrapper.agentMatch === undefined) silent.add(wrapper);
    return wrappers.filter((wrapper) => !silent.has(wrapper));
  }
}

function placeOf({ runId, metadata, chain, runName }: Beginning, parent: NodePlace | undefined): NodePlace {
  const classPath = chain?.id ?? [];
  const place = readPlace(metadata, isGraphRun(classPath) ? graphName(runName) : parent?.graph);
  const isNew = isBesideAgent(place) && !(place.execution === parent?.execution && place.source === parent?.source);
  const silent = isNew ? new Set(parent?.silent) : parent?.silent;
  return { ...place, silent, ...(triesChildren(classPath) && { attempts: runId }) };
}
