import {
  activeSpan,
  ConfigurationError,
  currentRollout,
  describeValue,
  errorOutcome,
  type RolloutScope,
} from '@agent-lightning/core';
import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import type { Serialized } from '@langchain/core/load/serializable';
import type { LLMResult } from '@langchain/core/outputs';
import { isGraphBubbleUp } from '@langchain/langgraph';
import { requestAttributes, responseAttributes } from './model-call-attributes.ts';
import { placeNames, readPlace, type NodePlace } from './node-names.ts';
import { describeChain, describeTool, toolOutcome, type RunSpan } from './run-spans.ts';
import { keepRun, takeRun, tracedRuns, type TracedRun } from './run-registry.ts';

export interface LightningOptions {
  /**
   * Selects the agents whose model calls go to the policy that is trained. Tested against the node's name (`write`), its path from
   * the outermost graph (`reviewer/critic`) and the name of the `createAgent` agent around it; the innermost wrapped graph decides.
   * @default that of the wrapped graph around this one, or every node
   */
  readonly agentMatch?: RegExp;
}

type Metadata = Record<string, unknown>;

/** Something that begins, before it is known whether it becomes a span. */
interface Beginning {
  readonly runId: string;
  readonly parentRunId: string | undefined;
  readonly metadata: Metadata | undefined;
}

/** Reports the runs of LangChain and LangGraph inside a rollout as spans; outside one it does nothing. `withLightning` attaches it. */
export class LightningCallbackHandler extends BaseCallbackHandler {
  override name = 'lightning_callback_handler';
  /** LangChain's background queue runs handlers in the async context of another rollout. */
  override awaitHandlers = true;
  /** A trace that cannot be written must not pass for an agent that did nothing. */
  override raiseError = true;
  readonly #agentMatch: RegExp | undefined;

  constructor(options: LightningOptions = {}) {
    super();
    const { agentMatch } = options;
    if (agentMatch !== undefined && !(agentMatch instanceof RegExp)) {
      throw new ConfigurationError(
        `agentMatch must be a regular expression such as /write|rewrite/; got ${typeof agentMatch} ${describeValue(agentMatch)}`,
        { code: 'option-invalid' },
      );
    }
    this.#agentMatch = agentMatch;
  }

  // One handler for one wrapped graph: copies would each report.
  override copy(): this {
    return this;
  }

  override handleChainStart(
    _chain: Serialized,
    _inputs: unknown,
    runId: string,
    parentRunId?: string,
    tags?: string[],
    metadata?: Metadata,
    _runType?: string,
    runName?: string,
  ): void {
    this.#begin({ runId, parentRunId, metadata }, (place, parent) => describeChain(runName, tags, place, parent));
  }

  override handleChainEnd(_outputs: unknown, runId: string): void {
    takeRun(runId)?.span?.end();
  }

  override handleChainError(error: unknown, runId: string): void {
    // An interrupt or a command to a parent graph is control flow, not a failure.
    takeRun(runId)?.span?.end(isGraphBubbleUp(error) ? { status: { code: 'unset' } } : errorOutcome(error));
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
    this.#begin({ runId, parentRunId, metadata }, (place) => ({
      kind: 'model_call',
      name: 'chat',
      attributes: requestAttributes('chat', placeNames(place), extraParams),
    }));
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
    this.#begin({ runId, parentRunId, metadata }, (place) => ({
      kind: 'model_call',
      name: 'text_completion',
      attributes: requestAttributes('text_completion', placeNames(place), extraParams),
    }));
  }

  override handleLLMEnd(
    output: LLMResult,
    runId: string,
    _parentRunId?: string,
    _tags?: string[],
    extraParams?: Metadata,
  ): void {
    takeRun(runId)?.span?.end({ attributes: responseAttributes(output, extraParams) });
  }

  override handleLLMError(error: unknown, runId: string): void {
    takeRun(runId)?.span?.end(errorOutcome(error));
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
    this.#begin({ runId, parentRunId, metadata }, () =>
      describeTool(runName ?? tool.id.at(-1) ?? 'tool', input, toolCallId),
    );
  }

  override handleToolEnd(output: unknown, runId: string): void {
    takeRun(runId)?.span?.end(toolOutcome(output));
  }

  override handleToolError(error: unknown, runId: string): void {
    takeRun(runId)?.span?.end(isGraphBubbleUp(error) ? { status: { code: 'unset' } } : errorOutcome(error));
  }

  #begin(
    { runId, parentRunId, metadata }: Beginning,
    describe: (place: NodePlace, parent: NodePlace | undefined) => RunSpan | undefined,
  ): void {
    const above = parentRunId === undefined ? undefined : tracedRuns.get(parentRunId);
    const scope = currentRollout() ?? above?.scope;
    if (scope === undefined) return;
    const known = tracedRuns.get(runId);
    if (known !== undefined) return this.#refine(known);
    // A rollout that runs inside a node of another one begins its own tree.
    const parent = above?.scope === scope ? above : undefined;
    const place = readPlace(metadata);
    const span = this.#startSpan(scope, parent, describe(place, parent?.place));
    const agentMatch = this.#agentMatch ?? parent?.agent.agentMatch;
    keepRun(runId, {
      scope,
      place,
      agent: {
        names: parent !== undefined && isSamePlace(place, parent.place) ? parent.agent.names : placeNames(place),
        ...(agentMatch !== undefined && { agentMatch }),
      },
      spanId: span?.spanId ?? parent?.spanId,
      span,
    });
  }

  #startSpan(scope: RolloutScope, parent: TracedRun | undefined, span: RunSpan | undefined): TracedRun['span'] {
    if (span === undefined) return undefined;
    const parentSpanId = parent === undefined ? activeSpan(scope)?.spanId : parent.spanId;
    return scope.recorder.start({ ...span, ...(parentSpanId !== undefined && { parentSpanId }) });
  }

  /** A second handler reports the run: that of a graph further in, for LangChain adds handlers from the outside in. */
  #refine(run: TracedRun): void {
    if (this.#agentMatch !== undefined) run.agent = { names: run.agent.names, agentMatch: this.#agentMatch };
  }
}

function isSamePlace(a: NodePlace, b: NodePlace): boolean {
  return a.execution === b.execution && a.node === b.node && a.agent === b.agent;
}
