import { attributeNames } from '../vocabulary/attributes.ts';
import type { Span } from '../vocabulary/span.ts';
import { responseIdOf, type CallTrace, type ModelCall } from './model-calls.ts';
import type { OtherCall, UntrainableCall } from './transition.ts';

/** A call that did not go through the gateway, or that no policy answered. */
interface OutsideCall {
  readonly spanId: string;
  readonly agentName: string;
  /** Undefined where no HTTP request was seen, as of a model in this process. */
  readonly host: string | undefined;
  /** The client by its own word; undefined where it gave none, and where no request was seen. */
  readonly client: string | undefined;
}

/** The model calls that an attempt made elsewhere than at the policy, though it has one. */
export interface OutsideCalls {
  /** Calls of agents that are selected. */
  readonly selected: readonly OutsideCall[];
  /** All others: of agents that keep their model, and of code outside every wrapped agent. */
  readonly others: readonly OtherCall[];
}

interface Counted extends OutsideCall {
  readonly isSelected: boolean | undefined;
  readonly count: number;
}

/**
 * Finds the calls that went past the gateway. A framework reports each of its calls, and the process counts the requests that were
 * sent: the count gives the hosts, and is all there is for a client that the framework does not know.
 */
export function findOutsideCalls(
  spans: readonly Span[],
  trace: CallTrace,
  policies: readonly string[] | undefined,
): OutsideCalls {
  const counted = spans.flatMap(readCount);
  const past = trace.calls.filter((call) => isReportedOutside(call, trace, counted));
  const kept = trace.calls.filter((call) => isReportedUnselected(call, policies));
  const ofSelected = counted.filter(({ agentName, isSelected }) => isSelected ?? agentName !== '');
  const ofOthers = counted.filter((each) => each.agentName !== '' && !ofSelected.includes(each));
  const unwrapped = counted.filter(({ agentName, isSelected }) => agentName === '' && isSelected === undefined);
  return {
    selected: joinRequests(past, ofSelected),
    others: [
      ...joinRequests(kept, ofOthers).map((call) => toOther(call, call.agentName !== '')),
      ...unwrapped.flatMap(repeat).map((call) => toOther(call, false)),
    ],
  };
}

/**
 * Gives the reported calls of each agent the requests that were counted of it; an agent without reported calls has its requests. A
 * client that tries again sends more requests than the framework reports calls.
 */
function joinRequests(reported: readonly ModelCall[], counted: readonly Counted[]): readonly OutsideCall[] {
  const agents = new Set([...reported.map(nameOf), ...counted.map(({ agentName }) => agentName)]);
  return [...agents].flatMap((agentName) => {
    const own = reported.filter((call) => nameOf(call) === agentName);
    const requests = counted.filter((each) => each.agentName === agentName).flatMap(repeat);
    if (own.length === 0) return requests;
    return own.map(({ span: { spanId }, gateway }, index): OutsideCall => {
      const { host, client } = requests[index] ?? { host: upstreamOf(gateway), client: undefined };
      return { spanId, agentName, host, client };
    });
  });
}

/** Returns the host that a gateway handed a call on to. */
function upstreamOf(gateway: Span | undefined): string | undefined {
  const upstream = gateway?.attributes[attributeNames.upstream];
  return typeof upstream === 'string' && URL.canParse(upstream) ? new URL(upstream).host : undefined;
}

function toOther({ agentName, host, client }: OutsideCall, isWrapped: boolean): OtherCall {
  return { agentName, isWrapped, ...(host !== undefined && { host }), ...(client !== undefined && { client }) };
}

/** Returns the entry of such a call among those that cannot be trained on. */
export function asUntrainable({ spanId, agentName, host, client }: OutsideCall): UntrainableCall {
  const reason = host === undefined ? '' : `; it went to ${host}`;
  return {
    spanId,
    agentName,
    reason: `the call did not go through the gateway${reason}`,
    outside: { ...(host !== undefined && { host }), ...(client !== undefined && { client }) },
  };
}

/** Tells whether a framework reported the call of an agent that keeps its model, or the gateway passed one on to a model that is no policy. */
function isReportedUnselected({ gateway, framework }: ModelCall, policies: readonly string[] | undefined): boolean {
  if (gateway !== undefined) {
    const policy = gateway.attributes[attributeNames.policy];
    return policy === undefined || (policies !== undefined && !policies.includes(String(policy)));
  }
  const attributes = framework?.attributes ?? {};
  return attributes[attributeNames.agentSelected] === false && attributes[attributeNames.untrainable] === undefined;
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

function readCount({ spanId, attributes }: Span): readonly Counted[] {
  const { [attributeNames.outsideHost]: host, [attributeNames.outsideCalls]: count } = attributes;
  if (typeof host !== 'string' || typeof count !== 'number') return [];
  const { [attributeNames.agentSelected]: selected, [attributeNames.outsideClient]: client } = attributes;
  return [
    {
      spanId,
      agentName: String(attributes[attributeNames.agentName] ?? ''),
      isSelected: typeof selected === 'boolean' ? selected : undefined,
      host,
      client: typeof client === 'string' ? client : undefined,
      count,
    },
  ];
}

function repeat({ spanId, agentName, host, client, count }: Counted): readonly OutsideCall[] {
  return Array.from({ length: count }, () => ({ spanId, agentName, host, client }));
}

function nameOf(call: ModelCall): string {
  return call.agentNames[0] ?? '';
}
