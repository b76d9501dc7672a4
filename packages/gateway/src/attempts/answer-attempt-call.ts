import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerCall } from '../chat/answer-call.ts';
import { applySamplingRules } from '../chat/sampling-rules.ts';
import type { ResolvedGatewayOptions } from '../gateway-options.ts';
import type { StatisticsCounter } from '../gateway-statistics.ts';
import { readJsonBody } from '../http/read-body.ts';
import { ReplyWriter } from '../http/reply-writer.ts';
import { WireError } from '../http/wire-error.ts';
import type { AdmissionGate } from '../policies/admission-gate.ts';
import type { PolicyRegistry } from '../policies/policy-registry.ts';
import { sinkFor } from '../wires/translating-sink.ts';
import type { Wire, WireCall } from '../wires/wire.ts';
import type { AttemptSession } from './attempt-session.ts';
import { readCaller, type Caller } from './caller.ts';
import { captureCall } from './capture-call.ts';

/** What every call of an attempt needs of the gateway. */
export interface AttemptCalls {
  readonly options: ResolvedGatewayOptions;
  readonly policies: PolicyRegistry;
  readonly gate: AdmissionGate;
  readonly statistics: StatisticsCounter;
}

/** One call on one attempt's URL. */
export interface AttemptCall {
  readonly session: AttemptSession;
  readonly wire: Wire;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Reads, admits, answers and captures one model call. @throws {WireError} when it is refused before it becomes one */
export async function answerAttemptCall(calls: AttemptCalls, call: AttemptCall): Promise<void> {
  const caller = readCaller(call.request.headers);
  const asked = call.wire.parse(await readJsonBody(call.request, calls.options.limits.maxBodyBytes));
  const controller = new AbortController();
  await call.session.follow(controller, async () => {
    await enter(calls.gate, call.response, controller.signal);
    try {
      await answerCaptured(calls, call, { asked, caller, controller });
    } finally {
      calls.gate.leave();
    }
  });
}

/** Waits at the gate while the agent does. */
async function enter(gate: AdmissionGate, response: ServerResponse, signal: AbortSignal): Promise<void> {
  if (!gate.isPaused) return gate.enter(signal);
  const gone = new AbortController();
  const onClose = (): void =>
    gone.abort(new WireError('the agent went away while the gateway was paused', { code: 'cancelled' }));
  response.on('close', onClose);
  try {
    await gate.enter(AbortSignal.any([signal, gone.signal]));
  } finally {
    response.off('close', onClose);
  }
}

interface ReadCall {
  readonly asked: WireCall;
  readonly caller: Caller;
  readonly controller: AbortController;
}

async function answerCaptured(calls: AttemptCalls, call: AttemptCall, read: ReadCall): Promise<void> {
  const { options, policies, statistics } = calls;
  const { session, wire, response } = call;
  const { request } = read.asked;
  const { policy, release, leave } = policies.admit(request.model);
  try {
    const seed =
      release.kind === 'engine' && request.seed === undefined
        ? session.nextSeed(options.seed, read.caller.agentNames)
        : undefined;
    const ruled = applySamplingRules(request, options.sampling[session.mode], seed);
    const end = captureCall({
      recorder: session.recorder,
      caller: read.caller,
      wire: wire.name,
      policy,
      release,
      ruled,
    });
    const outcome = await answerCall({
      request: ruled.request,
      release,
      response,
      sink: sinkFor(wire, read.asked, new ReplyWriter(response)),
      controller: read.controller,
      limits: options.limits,
      isCaptured: true,
    });
    statistics.count(outcome, end(outcome));
  } finally {
    leave();
  }
}
