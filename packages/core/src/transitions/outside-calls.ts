import { attributeNames } from '../vocabulary/attributes.ts';
import type { Span } from '../vocabulary/span.ts';
import { responseIdOf, type CallTrace, type ModelCall } from './model-calls.ts';
import type { UntrainableCall } from './transition.ts';

/** A call of a selected agent that did not go through the gateway. */
export interface OutsideCall {
  readonly spanId: string;
  readonly agentName: string;
  /** Undefined where no HTTP request was seen, as of a model in this process. */
  readonly host: string | undefined;
  /** The maker of the dialect that it spoke. */
  readonly dialect?: string | undefined;
}

/** The model calls that an attempt made elsewhere than at the gateway, though it has a policy. */
export interface OutsideCalls {
  /** Calls of agents that are selected. */
  readonly selected: readonly OutsideCall[];
  /** Hosts that code outside every wrapped agent called, each as often as it did. */
  readonly unwrapped: readonly string[];
}

interface Counted {
  readonly span: Span;
  readonly agentName: string;
  readonly host: string;
  readonly dialect: string | undefined;
  readonly count: number;
}

/**
 * Finds the calls that went past the gateway. A framework reports each of its calls, and the process counts the requests that were
 * sent: the count gives the hosts, and is all there is for a client that the framework does not know.
 */
export function findOutsideCalls(spans: readonly Span[], trace: CallTrace): OutsideCalls {
  const counted = spans.flatMap(readCount);
  const reported = trace.calls.filter((call) => isReportedOutside(call, trace, counted));
  const agents = new Set([...reported.map(nameOf), ...counted.map(({ agentName }) => agentName)]);
  return {
    selected: [...agents].flatMap((agentName) => {
      if (agentName === '' && !reported.some((call) => nameOf(call) === '')) return [];
      const own = reported.filter((call) => nameOf(call) === agentName);
      const requests = counted.filter((each) => each.agentName === agentName).flatMap(repeat);
      if (own.length === 0)
        return requests.map(({ span, host, dialect }) => ({ spanId: span.spanId, agentName, host, dialect }));
      // A client that tries again sends more requests than the framework reports calls.
      return own.map(({ span }, index) => {
        const { host, dialect } = requests[index] ?? {};
        return { spanId: span.spanId, agentName, host, dialect };
      });
    }),
    unwrapped: counted
      .filter(({ agentName }) => agentName === '')
      .flatMap((each) => repeat(each).map(({ host }) => host)),
  };
}

/** Returns the entry of such a call among those that cannot be trained on. */
export function asUntrainable({ spanId, agentName, host, dialect }: OutsideCall): UntrainableCall {
  const reason = host === undefined ? '' : `; it went to ${host}`;
  return {
    spanId,
    agentName,
    reason: `the call did not go through the gateway${reason}`,
    outside: { ...(host !== undefined && { host }), ...(dialect !== undefined && { dialect }) },
  };
}

function isReportedOutside(call: ModelCall, trace: CallTrace, counted: readonly Counted[]): boolean {
  const { gateway, framework } = call;
  if (gateway !== undefined || framework?.attributes[attributeNames.agentSelected] !== true) return false;
  if (framework.attributes[attributeNames.untrainable] !== undefined) return false; // such as a cached answer: nobody was asked
  // A call that failed may have failed at the gateway, and names no response then.
  if (framework.status.code === 'error') return counted.some(({ agentName }) => agentName === nameOf(call));
  return responseIdOf(framework) !== undefined || !hasUnreportedSibling(framework, trace);
}

/** Tells whether the gateway answered a call at the same place that no framework span names: that call may be this one. */
function hasUnreportedSibling(framework: Span, trace: CallTrace): boolean {
  return trace.calls.some(
    ({ gateway, framework: joined }) =>
      gateway !== undefined && joined === undefined && gateway.parentSpanId === framework.parentSpanId,
  );
}

function readCount(span: Span): readonly Counted[] {
  const { [attributeNames.outsideHost]: host, [attributeNames.outsideCalls]: count } = span.attributes;
  if (typeof host !== 'string' || typeof count !== 'number') return [];
  const dialect = span.attributes[attributeNames.outsideDialect];
  const agentName = String(span.attributes[attributeNames.agentName] ?? '');
  return [{ span, agentName, host, dialect: typeof dialect === 'string' ? dialect : undefined, count }];
}

function repeat(counted: Counted): readonly Counted[] {
  return Array.from({ length: counted.count }, () => counted);
}

function nameOf(call: ModelCall): string {
  return call.agentNames[0] ?? '';
}
