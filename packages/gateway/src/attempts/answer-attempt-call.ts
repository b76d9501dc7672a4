import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PolicySnapshot } from '@agent-lightning/core';
import { agentLeft, answerCall, type CallOutcome } from '../calls/answer-call.ts';
import type { Untrainable } from '../capture/check-reply.ts';
import { applySamplingRules, type RuledRequest } from '../capture/sampling-rules.ts';
import type { ResolvedGatewayOptions } from '../gateway-options.ts';
import type { GatewayLog } from '../gateway-log.ts';
import type { StatisticsCounter } from '../gateway-statistics.ts';
import type { BodyBudget } from '../http/body-budget.ts';
import type { JsonObject } from '../http/read-body.ts';
import { ReplyWriter } from '../http/reply-writer.ts';
import { ReplyError } from '../http/reply-error.ts';
import type { AdmissionGate } from '../policies/admission-gate.ts';
import type { EndpointPool } from '../policies/endpoint-pool.ts';
import type { Admission, OtherNames, PolicyRegistry } from '../policies/policy-registry.ts';
import type { StalenessRule } from '../policies/staleness-rule.ts';
import type { ReplyReader } from '../reply-reader/reply-reader.ts';
import type { Servers } from '../upstream/ask-upstream.ts';
import { sinkFor } from '../dialects/translating-sink.ts';
import type { Dialect, DialectCall } from '../dialects/dialect.ts';
import type { KnownServers } from '../policies/own-models.ts';
import type { AttemptSession } from './attempt-session.ts';
import { readCaller, toCallerName, type Caller } from '../capture/caller.ts';
import { captureCall } from '../capture/capture-call.ts';
import type { GrammarProbe } from '../capture/grammar-probe.ts';
import { passEmbeddings } from '../calls/pass-embeddings.ts';

/** The parts of the gateway that every call of an attempt needs. */
export interface AttemptCalls {
  readonly options: ResolvedGatewayOptions;
  readonly policies: PolicyRegistry;
  readonly pool: EndpointPool;
  readonly reader: ReplyReader;
  readonly grammars: GrammarProbe;
  readonly gate: AdmissionGate;
  readonly bodies: BodyBudget;
  readonly staleness: StalenessRule;
  readonly statistics: StatisticsCounter;
  readonly log: GatewayLog;
  /** The servers that agents ask by themselves, where calls are handed on to those; undefined where a policy answers. */
  readonly own: KnownServers | undefined;
  /** Notes that a request had a valid key. */
  readonly trust: (request: IncomingMessage) => void;
}

/** One call on one attempt's URL. */
export interface AttemptCall {
  readonly session: AttemptSession;
  /** The agent that the path names. */
  readonly agent: string | undefined;
  readonly dialect: Dialect;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Returns the names that the model of an attempt answers to, besides its own. */
export function otherNames({ options }: AttemptCalls, session: AttemptSession): OtherNames {
  return { model: options.policy, names: [...options.answersTo, ...session.answersTo] };
}

/** Reads, admits, answers and captures one model call. @throws {ReplyError} when it is refused before it becomes one */
export async function answerAttemptCall(calls: AttemptCalls, call: AttemptCall): Promise<void> {
  const caller = readCaller(call.request.headers, call.agent);
  const answer = (body: JsonObject): Promise<void> => answerBody(calls, call, caller, body);
  await calls.bodies.withBody(call.session, call.request, answer, call.dialect.keepTexts);
}

async function answerBody(calls: AttemptCalls, call: AttemptCall, caller: Caller, body: JsonObject): Promise<void> {
  const asked = call.dialect.parse(body, call.session.kept);
  const model = calls.policies.resolve(asked.request.model, otherNames(calls, call.session));
  const named = nameByModel(caller, asked.request.model, model);
  const controller = new AbortController();
  const work = async (): Promise<void> => {
    await enterGate(calls.gate, call.response, controller.signal);
    try {
      await answerCaptured(calls, call, { asked, caller: named, model, controller });
    } finally {
      calls.gate.leave();
    }
  };
  await call.session.follow(controller, work, named.agentNames[0]);
}

/** Names a caller that nothing else names by the model that it asks for, where another answers to that: two agents are told apart by their models' names. */
function nameByModel(caller: Caller, asked: string, model: string): Caller {
  return caller.agentNames.length > 0 || asked === model ? caller : { ...caller, agentNames: [toCallerName(asked)] };
}

/** Waits at the gate for as long as the agent keeps its connection. */
export async function enterGate(gate: AdmissionGate, response: ServerResponse, signal: AbortSignal): Promise<void> {
  if (!gate.isPaused) return gate.enter(signal);
  const gone = new AbortController();
  const onClose = (): void =>
    gone.abort(new ReplyError('the agent went away while the gateway was paused', { code: 'cancelled' }));
  response.on('close', onClose);
  try {
    await gate.enter(AbortSignal.any([signal, gone.signal]));
  } finally {
    response.off('close', onClose);
  }
}

interface ReadCall {
  readonly asked: DialectCall;
  readonly caller: Caller;
  /** The model that the call means, by its own name. */
  readonly model: string;
  readonly controller: AbortController;
}

/** Returns the request that the gateway makes in the agent's place, and why its reply must not be trained on, if so. @throws {ReplyError} for a stale call that is refused */
function ruledRequest(
  calls: AttemptCalls,
  session: AttemptSession,
  read: ReadCall,
  admission: Admission,
): RuledRequest {
  const { request } = read.asked;
  const { snapshot, policy, isPolicy } = admission;
  const needsSeed = snapshot.kind === 'engine' && request.seed === undefined;
  const seed = needsSeed ? session.nextSeed(calls.options.seed, read.caller.agentNames) : undefined;
  if (!isPolicy) {
    const reason = `passthrough: "${policy}" is not a policy that trains`;
    const seeded = seed === undefined ? request : { ...request, seed, body: { ...request.body, seed } };
    return {
      request: seeded,
      rules: [],
      structuredOutput: undefined,
      grammar: undefined,
      untrainable: { kind: 'passthrough', reason },
    };
  }
  const { rolloutId, attemptId } = session.claim.attempt;
  const firstVersion = session.firstVersion(policy, snapshot.version);
  const stale = calls.staleness.check({ rolloutId, attemptId, policy, firstVersion, version: snapshot.version });
  const sampling = calls.options.sampling[session.mode];
  const structuredOutput = sampling.structuredOutput ?? (snapshot.kind === 'engine' ? 'prompt' : 'grammar');
  // An engine in this process refuses what it does not know; live traffic, in test mode, is sent as the agent has it.
  const dropsUnknown = snapshot.kind === 'openai' && session.mode !== 'test';
  const dropsEffort = snapshot.kind === 'engine';
  const ruled = applySamplingRules(request, { sampling, structuredOutput, dropsUnknown, dropsEffort, seed });
  if (!reportsTokens(snapshot)) return { ...ruled, untrainable: { kind: 'no-tokens', reason: untokenized } };
  return stale === undefined ? ruled : { ...ruled, untrainable: { kind: 'stale', reason: stale } };
}

const untokenized =
  'a model that is not asked for tokens answered in the place of the policy; its text can be imitated';

function reportsTokens(snapshot: Admission['snapshot']): boolean {
  return snapshot.kind === 'engine' || snapshot.reportsTokens !== false;
}

/** Adds why a reply that is decoded under a grammar must not be trained on, if so. */
async function checkGrammar(
  calls: AttemptCalls,
  { mode }: AttemptSession,
  ruled: RuledRequest,
  snapshot: PolicySnapshot,
  signal: AbortSignal,
): Promise<RuledRequest> {
  const { grammar } = ruled;
  if (grammar === undefined || ruled.untrainable !== undefined) return ruled;
  const { structuredOutput } = calls.options.sampling[mode];
  const problem =
    structuredOutput === 'grammar'
      ? await calls.grammars.findProblem(snapshot, signal)
      : structuredOutput === 'prompt'
        ? `it cannot be asked for in a prompt; leave it out, or set sampling.${mode}.structuredOutput to "grammar"`
        : `${mode} mode leaves it to the server, as the agent sent it`;
  if (problem === undefined) return ruled;
  const reason = `grammar: \`${grammar}\` makes the server sample from another distribution than the policy's; ${problem}`;
  return { ...ruled, untrainable: { kind: 'grammar', reason } };
}

async function answerCaptured(calls: AttemptCalls, call: AttemptCall, read: ReadCall): Promise<void> {
  const { options, policies, statistics } = calls;
  const { session, dialect, response } = call;
  const admission = policies.admit(read.model, read.caller.agentNames);
  const { snapshot, isPolicy } = admission;
  try {
    const { signal } = read.controller;
    const asked = ruledRequest(calls, session, read, admission);
    const ruled = await checkGrammar(calls, session, asked, snapshot, signal);
    const end = captureCall({
      recorder: session.recorder,
      caller: read.caller,
      dialect: dialect.name,
      policy: isPolicy ? admission.policy : undefined,
      snapshot,
      ruled,
      announceAfterMs: options.announceAfterMs,
      onStart: (bytes) => session.countStored(bytes, options.maxAttemptStoredBytes),
      onEnd: (bytes) => session.countStored(bytes),
    });
    const outcome = await session.holdReply(options.maxAttemptReplyBytes, (onReplyBytes) =>
      answerCall({
        request: ruled.request,
        snapshot,
        servers: serversFor(calls, session),
        reader: calls.reader,
        response,
        sink: sinkFor(dialect, read.asked, new ReplyWriter(response)),
        controller: read.controller,
        limits: options.limits,
        isCaptured: isPolicy && reportsTokens(snapshot),
        onReplyBytes,
      }),
    );
    const untrainable = end(outcome);
    statistics.count(outcome, untrainable);
    logCall(calls.log, call, admission, outcome, untrainable);
  } finally {
    admission.leave();
  }
}

/** Logs a call that is over, without what was said in it. */
export function logCall(
  log: GatewayLog,
  { session, dialect }: Pick<AttemptCall, 'session' | 'dialect'>,
  { policy, isPolicy, snapshot }: Omit<Admission, 'leave'>,
  outcome: CallOutcome,
  untrainable: Untrainable | undefined,
): void {
  const { usage } = outcome.reply;
  const fields = {
    rollout_id: session.claim.attempt.rolloutId,
    attempt_id: session.claim.attempt.attemptId,
    dialect: dialect.name,
    model: policy,
    policy_version: isPolicy ? snapshot.version : undefined,
    status: outcome.status,
    duration_ms: Math.round(outcome.durationMs),
    input_tokens: usage?.inputTokens,
    output_tokens: usage?.outputTokens,
    retries: outcome.retries,
    error: outcome.error?.replyCode,
    untrainable: untrainable?.kind,
  };
  if (outcome.status === 'ok') log.info('call', fields);
  else log.warn('call', fields);
}

/** Returns the servers of a call; the calls of one rollout stay on one server, for its prefix cache. */
function serversFor(calls: AttemptCalls, session: AttemptSession): Servers {
  return { pool: calls.pool, affinity: session.claim.rollout.rolloutId };
}

type EmbeddingsOfAttempt = Omit<AttemptCall, 'dialect' | 'agent'>;

/** Answers `POST /v1/embeddings`. @throws {ReplyError} */
export async function answerEmbeddings(calls: AttemptCalls, call: EmbeddingsOfAttempt): Promise<void> {
  const { session, request } = call;
  await calls.bodies.withBody(session, request, (body) => answerEmbeddingsBody(calls, call, body));
}

async function answerEmbeddingsBody(
  calls: AttemptCalls,
  { session, response }: EmbeddingsOfAttempt,
  body: JsonObject,
): Promise<void> {
  const controller = new AbortController();
  const onClose = (): void => controller.abort(agentLeft());
  response.on('close', onClose);
  await session.follow(controller, async () => {
    await enterGate(calls.gate, response, controller.signal);
    try {
      await session.holdReply(calls.options.maxAttemptReplyBytes, (onReplyBytes) =>
        passEmbeddings({
          body,
          controller,
          policies: calls.policies,
          servers: serversFor(calls, session),
          limits: calls.options.limits,
          writer: new ReplyWriter(response),
          onReplyBytes,
        }),
      );
    } finally {
      calls.gate.leave();
    }
  });
}
