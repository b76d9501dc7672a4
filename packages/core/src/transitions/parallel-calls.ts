/**
 * Finds the calls that ran beside each other, by their place in the tree of spans. The order in which calls arrive says nothing of cause: of
 * two sub-agents that run at once, either may answer first. Only times of one clock are compared: those of the gateway with each other,
 * and those of a framework with each other.
 */
import { attributeNames } from '../vocabulary/attributes.ts';
import type { Span } from '../vocabulary/span.ts';
import type { CallTrace, ModelCall } from './model-calls.ts';
import { ancestorsOf, type TraceNode } from './trace-tree.ts';

/** The captured calls at a node and below it, by the gateway's clock. */
interface BranchTimes {
  /** The moment when the first call was asked. */
  readonly firstAsked: number;
  /** The latest moment at which one of the calls had no token yet, so that nothing can have followed from it. */
  readonly lastUnanswered: number;
}

/** Maps each call to the calls before it in the list that it ran beside; a call without such calls is absent. */
export function findParallelCalls(
  calls: readonly ModelCall[],
  trace: CallTrace,
): ReadonlyMap<ModelCall, readonly ModelCall[]> {
  const times = timesOfBranches(trace);
  const paths = calls.map((call) => pathTo(trace.tree.nodes.get(call.span.spanId)!));
  const beside = calls.map((call, index): [ModelCall, readonly ModelCall[]] => [
    call,
    calls.slice(0, index).filter((_, earlier) => areParallel(...fork(paths[earlier]!, paths[index]!), times)),
  ]);
  return new Map(beside.filter(([, others]) => others.length > 0));
}

/** Returns the two branches in which two paths from the root part; undefined where one call is inside the other. */
function fork(
  one: readonly TraceNode[],
  other: readonly TraceNode[],
): readonly [TraceNode | undefined, TraceNode | undefined] {
  let depth = 0;
  while (depth < one.length && one[depth] === other[depth]) depth += 1;
  return [one[depth], other[depth]];
}

/**
 * Tells whether two branches of one node ran at once: the spans of two agents, tools or operations overlap, or each branch asked
 * its first call before the other's last one had a token. The end of a call is not read: the answer may be on its way before it is noted.
 */
function areParallel(
  one: TraceNode | undefined,
  other: TraceNode | undefined,
  times: ReadonlyMap<TraceNode, BranchTimes>,
): boolean {
  if (one === undefined || other === undefined) return false;
  if (isWork(one.span) && isWork(other.span) && overlap(one.span, other.span)) return true;
  const [a, b] = [times.get(one), times.get(other)];
  return a !== undefined && b !== undefined && a.firstAsked < b.lastUnanswered && b.firstAsked < a.lastUnanswered;
}

/** Tells whether a span is the work of an agent, whose beginning and end are known by the framework's clock. */
function isWork(span: Span | undefined): span is Span {
  return span !== undefined && span.isOpen !== true && ['agent', 'tool_call', 'operation'].includes(span.kind);
}

function overlap(one: Span, other: Span): boolean {
  return one.startTimeMs < other.endTimeMs && other.startTimeMs < one.endTimeMs;
}

function timesOfBranches(trace: CallTrace): ReadonlyMap<TraceNode, BranchTimes> {
  const times = new Map<TraceNode, BranchTimes>();
  for (const { gateway } of trace.calls) {
    if (gateway === undefined) continue;
    const node = trace.tree.nodes.get(gateway.spanId)!;
    const wait = gateway.attributes[attributeNames.timeToFirstTokenMs];
    const asked = gateway.startTimeMs;
    const unanswered = asked + (typeof wait === 'number' ? wait : 0);
    for (const at of [node, ...ancestorsOf(node)]) {
      const { firstAsked = asked, lastUnanswered = unanswered } = times.get(at) ?? {};
      times.set(at, {
        firstAsked: Math.min(firstAsked, asked),
        lastUnanswered: Math.max(lastUnanswered, unanswered),
      });
    }
  }
  return times;
}

/** Returns the nodes from the root to this one. */
function pathTo(node: TraceNode): readonly TraceNode[] {
  return [node, ...ancestorsOf(node)].toReversed();
}
