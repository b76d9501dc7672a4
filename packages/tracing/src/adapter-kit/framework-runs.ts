import {
  activeSpan,
  enclosingSpan,
  registerSpanFinder,
  runInSpan,
  type ActiveAgent,
  type ActiveSpan,
} from '../scope/active-span.ts';
import { processWide } from '../scope/process-wide.ts';
import { describeAgentMatch, attributeNames, type AgentMatch, type Attributes } from '@agent-lightning/core';
import type { AgentOptions } from '../selection/agent-options.ts';
import { addWrapper, joinWrappers, namingWrappers, selectAgent } from '../selection/select-agent.ts';
import { storeLimits } from '@agent-lightning/store';
import { capText } from '../writing/attribute-values.ts';
import { cleanName, shortenName } from '../writing/shorten-name.ts';
import { errorOutcome } from '../writing/exception-attributes.ts';
import {
  currentRollout,
  isInsideRollout,
  returnToRollout,
  runInRollout,
  type RolloutScope,
} from '../scope/rollout-scope.ts';
import { createServingScope, endServing, findServed, isOver } from '../scope/serving-scope.ts';
import type { OpenSpan, SpanOutcome, StartSpan } from '../writing/trace-recorder.ts';
import { writeTrace } from '../scope/untraceable.ts';

/** Describes what a framework's run becomes in the trace. */
export interface FrameworkRun<Detail> {
  /** The run's own span; absent for a layer that the trace leaves out, whose children move up. */
  readonly span?: Omit<StartSpan, 'parentSpanId' | 'spanId'> | undefined;
  /** The names of the agent that the run belongs to, most specific first. @default those of the parent */
  readonly names?: readonly string[] | undefined;
  /**
   * True for what runs beside the agent's own work, such as a guardrail: its model calls keep their model, unless an `agentMatch` matches
   * the names, which have to be its own then. @default false
   */
  readonly isBeside?: boolean | undefined;
  /** The data that the adapter wants to know again when a child begins. */
  readonly detail: Detail;
}

/** Describes the beginning of a run. */
export interface BeginRun<Detail> {
  /** The framework's id of the run. */
  readonly id: string;
  /** The framework's id of the run around it. */
  readonly parentId?: string | undefined;
  /** The options of the wrappers that begin with this run, innermost first; those of the parent are around them. @default none */
  readonly wrappers?: readonly AgentOptions[] | undefined;
  /** Called once, and only when the run is traced. */
  readonly describe: (parent: TracedRun<Detail> | undefined) => FrameworkRun<Detail>;
}

/** A framework's run inside a rollout, from its start to its end. */
export interface TracedRun<Detail> {
  readonly scope: RolloutScope;
  readonly detail: Detail;
  agent: ActiveAgent;
  /** The run's own span, or that of the nearest ancestor that has one. */
  readonly spanId: string | undefined;
  /** The run's own span. */
  readonly span: OpenSpan | undefined;
  /** The span that `runInSpan` had set when the run began: `follow` tells by it which of two is the inner one. */
  readonly around: ActiveSpan | undefined;
}

const sweepSize = 4_096;

/** The runs of one framework inside rollouts, by the framework's own ids: what an adapter's listener writes and its caller reads. */
export class FrameworkRuns<Detail> {
  readonly #runs = new Map<string, TracedRun<Detail>>();
  readonly #wrapped = new WeakMap<object, readonly AgentOptions[]>();
  /** The runs that began outside every rollout, with prompts to serve. */
  readonly #servedBy = new Set<string>();

  /** Returns the one registry of a framework in this process, so that each run is traced once however many copies and listeners report it. */
  static of<Detail>(framework: string): FrameworkRuns<Detail> {
    const registries = processWide('agentlightning.framework-runs.v2', () => new Map<string, FrameworkRuns<unknown>>());
    const known = registries.get(framework) ?? new FrameworkRuns<unknown>();
    registries.set(framework, known);
    return known as FrameworkRuns<Detail>;
  }

  /** Counts the runs that have begun and not ended. */
  get size(): number {
    return this.#runs.size;
  }

  get(id: string): TracedRun<Detail> | undefined {
    return this.#runs.get(id);
  }

  /**
   * Remembers that `wrapped` is `inner` with one more wrapper around it, for all copies of the adapter. Without options it is `inner` as
   * it is, such as a clone. Returns the options of all wrappers, innermost first.
   */
  wrap(wrapped: object, options: AgentOptions | undefined, inner: object = wrapped): readonly AgentOptions[] {
    const known = this.wrappersOf(inner);
    const wrappers = options === undefined ? known : addWrapper(options, known);
    this.#wrapped.set(wrapped, wrappers);
    return wrappers;
  }

  /** Returns the options of the wrappers of an object, innermost first; none for an object that nobody wrapped. */
  wrappersOf(object: object): readonly AgentOptions[] {
    return this.#wrapped.get(object) ?? [];
  }

  /** Tells whether the model calls of a run go to the policy of its rollout. */
  isSelected({ scope, agent }: TracedRun<Detail>): boolean {
    return scope.llm !== undefined && selectAgent(agent.names, agent.wrappers).isSelected;
  }

  /**
   * Begins a run inside the rollout of its parent, or the current one; outside one it does nothing. A run that has begun already is
   * not begun again, but takes the wrappers: those of a wrapper further in, for frameworks report from the outside in.
   * @throws {TraceError} `span-invalid` for a span that must not enter a trace; in production such a run is counted and not traced
   */
  begin(run: BeginRun<Detail>): void {
    const { id, parentId, wrappers } = run;
    const above = parentId === undefined ? undefined : this.#runs.get(parentId);
    const current = above === undefined ? currentRollout() : rolloutOfChild(above.scope);
    if (this.#runs.has(id)) return current === undefined ? undefined : this.refine(id, wrappers);
    const scope = current ?? createServingScope(wrappers ?? []);
    if (scope === undefined) return;
    writeTrace(scope, () => this.#begin(run, scope, above));
    if (current === undefined) this.#servedBy.add(id);
  }

  /** Tells whether wrappers serve prompts in production: then an adapter follows their agent outside rollouts, too. */
  serves(wrappers: readonly AgentOptions[]): boolean {
    return findServed(wrappers) !== undefined;
  }

  /** Runs an agent of these wrappers with the prompts that they serve; where they serve none, and in a rollout, it runs as it does without. */
  serve<Result>(wrappers: readonly AgentOptions[], work: () => Result): Result {
    const scope = currentRollout() === undefined ? createServingScope(wrappers) : undefined;
    if (scope === undefined) return work();
    const end = (): void => endServing(scope);
    const result = runInRollout(scope, work);
    if (result instanceof Promise) void result.then(end, end);
    else end();
    return result;
  }

  #begin(
    { id, wrappers = [], describe }: BeginRun<Detail>,
    scope: RolloutScope,
    above: TracedRun<Detail> | undefined,
  ): void {
    // A rollout that runs inside an agent of another one begins its own tree.
    const parent = above?.scope === scope ? above : undefined;
    const { span: start, names, isBeside = false, detail } = describe(parent);
    const around = parent?.agent ?? activeSpan(scope)?.agent;
    const parentSpanId = parent === undefined ? activeSpan(scope)?.spanId : parent.spanId;
    const span =
      start &&
      scope.recorder.start({ ...start, name: spanName(start), ...(parentSpanId !== undefined && { parentSpanId }) });
    const outer = around?.wrappers ?? [];
    this.#keep(id, {
      scope,
      detail,
      agent: {
        names: names ?? around?.names ?? [],
        wrappers: joinWrappers(wrappers, isBeside ? namingWrappers(outer) : outer),
      },
      spanId: span?.spanId ?? parentSpanId,
      span,
      around: enclosingSpan(),
    });
  }

  /** Puts wrappers, innermost first, inside those that a run has; its children that begin later take them over. */
  refine(id: string, wrappers: readonly AgentOptions[] = []): void {
    const run = this.#runs.get(id);
    if (run !== undefined) run.agent = { names: run.agent.names, wrappers: joinWrappers(wrappers, run.agent.wrappers) };
  }

  /**
   * Ends a run; one that was not traced, or has ended already, is left alone. An outcome that has to be read out of what a framework gives
   * is a function, which is called for a traced run alone.
   * @throws {TraceError} `span-invalid` for an outcome that must not enter a trace; in production it is counted, as is what the function throws
   */
  end(id: string, outcome?: SpanOutcome | (() => SpanOutcome)): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    this.#runs.delete(id);
    writeTrace(run.scope, () => {
      const read = typeof outcome === 'function' ? outcome() : outcome;
      run.span?.end({ ...read, attributes: { ...selectionOf(run), ...read?.attributes } });
    });
    if (this.#servedBy.delete(id)) endServing(run.scope);
  }

  /** Ends a run with what it threw. */
  fail(id: string, thrown: unknown): void {
    this.end(id, errorOutcome(thrown));
  }

  /** Runs `work` as the run: what it emits becomes the run's children, and its model calls are those of the run's agent. */
  inside<Result>(id: string | undefined, work: () => Result): Result {
    const run = id === undefined ? undefined : this.#runs.get(id);
    const active = run && activeSpanOf(run);
    if (run === undefined || active === undefined) return work();
    const scope = rolloutOfChild(run.scope);
    if (scope !== run.scope) return work(); // a rollout inside this run, which has its own spans
    if (scope === currentRollout()) return runInSpan(active, work);
    return returnToRollout(scope, () => runInSpan(active, work));
  }

  /** Follows a framework that keeps the current run itself: code for which `current` gives an id runs as that run. Returns what stops it. */
  follow(current: () => string | undefined): () => void {
    return registerSpanFinder((scope) => {
      const id = current();
      const run = id === undefined ? undefined : this.#runs.get(id);
      const span = run?.scope === scope ? activeSpanOf(run) : undefined;
      return span && { span, around: run?.around };
    });
  }

  /** Keeps a run until it ends; drops those whose attempt is over when many have gathered: an abandoned stream reports no end. */
  #keep(id: string, run: TracedRun<Detail>): void {
    if (this.#runs.size >= sweepSize && this.#runs.size % sweepSize === 0) {
      for (const [key, { scope }] of this.#runs) if (isOver(scope)) this.#forget(key);
    }
    this.#runs.set(id, run);
  }

  #forget(id: string): void {
    this.#runs.delete(id);
    this.#servedBy.delete(id);
  }
}

/** Says in a run's span whether its agent's calls go to the policy, and what decided it; nothing where there is no policy. */
function selectionOf<Detail>({ scope, agent: { names, wrappers } }: TracedRun<Detail>): Attributes {
  if (scope.llm === undefined) return {};
  const { isSelected, match, unmatched } = selectAgent(names, wrappers);
  const writeMatch = (given: AgentMatch): string => capText(describeAgentMatch(given));
  return {
    [attributeNames.agentSelected]: isSelected,
    ...(match !== undefined && { [attributeNames.agentMatch]: writeMatch(match) }),
    ...(unmatched.length > 0 && { [attributeNames.agentUnmatched]: unmatched.map(writeMatch) }),
  };
}

/**
 * Returns the rollout that the current code belongs to, inside a run of the rollout `scope`: a rollout that was begun in it, or else that one
 * itself. The code may be outside of all, as who reads a stream is, or in a foreign rollout, where a queue that rollouts
 * share has started it: the framework knows better whose run it is.
 */
function rolloutOfChild(scope: RolloutScope): RolloutScope {
  const current = currentRollout();
  return current !== undefined && isInsideRollout(current, scope) ? current : scope;
}

/** Returns the name of a run's span, as every store takes it: an agent or a tool may go by a text that is empty, too long, or none. */
function spanName({ kind, name }: StartSpan): string {
  return name === '' ? kind : shortenName(cleanName(name), storeLimits.nameCharacters);
}

function activeSpanOf<Detail>({ scope, spanId, agent }: TracedRun<Detail>): ActiveSpan | undefined {
  return spanId === undefined ? undefined : { attemptId: scope.attempt.attemptId, spanId, agent };
}
