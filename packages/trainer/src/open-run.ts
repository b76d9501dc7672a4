import { describeAgentMatch, type AlgorithmHost, type JsonValue } from '@agent-lightning/core';
import { describeConfig, FailureScoring, Session, type RunConfig, type SessionOptions } from '@agent-lightning/run';
import type { ResolvedFitOptions } from './fit-options.ts';
import { isRouted } from './policy-options.ts';
import type { ResolvedTrainerOptions } from './trainer-options.ts';

/** Opens the session of a run: its store, its runner and, where the algorithm trains weights, its gateway. */
export async function openSession<Task>(
  trainer: ResolvedTrainerOptions<Task>,
  options: Pick<SessionOptions<Task>, 'runId' | 'storePath' | 'hooks' | 'interrupted' | 'meter'> &
    Partial<Pick<SessionOptions<Task>, 'hasPolicy'>>,
): Promise<Session<Task>> {
  const { sampling = {}, uses } = trainer.algorithm;
  const { onRolloutStart, onRolloutEnd } = options.hooks;
  const hooks = { ...(onRolloutStart && { onRolloutStart }), ...(onRolloutEnd && { onRolloutEnd }) };
  return await Session.open({ hasPolicy: uses.backend, ...trainer, ...options, hooks, sampling });
}

/** Returns the things that an algorithm works with in a session. */
export function toHost<Task>(
  trainer: ResolvedTrainerOptions<Task>,
  session: Session<Task>,
  tasks: readonly Task[],
  signal: AbortSignal,
): AlgorithmHost {
  const { backend, policies, seed, control, maxStaleness, noSignalPatience, maxDivergence, logger } = trainer;
  return {
    backend,
    gateway: session.gateway,
    policies,
    tasks: tasks as readonly JsonValue[],
    seed,
    isControl: control === 'shuffled',
    maxStaleness,
    noSignalPatience,
    maxDivergence,
    logger,
    signal,
    putResources: (resourcesId, resources) => session.putResources(resourcesId, resources),
    findResources: (resourcesId) => session.findResources(resourcesId),
    readSpans: (rollouts) => session.readSpans(rollouts),
  };
}

/** Describes the options that decide what a run does. Steps, runners, staleness and options that only observe may change. */
export function describeRun<Task>(trainer: ResolvedTrainerOptions<Task>, fit: ResolvedFitOptions<Task>): RunConfig {
  const { seed, control, backend, gateway, algorithm, policies, calls, groupReward } = trainer;
  const routed = isRouted(policies) ? policies : [];
  return {
    ...describeConfig({ seed, control, backend: backend?.name }),
    ...(backend === undefined || gateway !== undefined ? {} : { structuredOutput: calls.structuredOutput }),
    ...(groupReward === undefined ? {} : { 'group reward': 'a function' }),
    'train tasks': fit.trainDigest,
    'validation tasks': fit.validationDigest,
    verdict: fit.verdict === undefined ? 'none' : `${fit.verdict.step} step, ${fit.verdict.samples} samples of a task`,
    ...describeConfig({ name: algorithm.name, ...algorithm.config }, 'algorithm.'),
    ...Object.fromEntries(
      routed.map(({ name, agentMatch, learningRate }) => [
        `policies.${name}`,
        `${describeAgentMatch(agentMatch!)} at ${learningRate === undefined ? "the algorithm's learning rate" : `learning rate ${learningRate}`}`,
      ]),
    ),
  };
}

/** Returns the rule by which the failed rollouts of a run count. */
export function scoreFailures<Task>({
  failures: sorting,
  failureReward,
}: Pick<ResolvedTrainerOptions<Task>, 'failures' | 'failureReward'>): FailureScoring {
  return new FailureScoring({ sorting, ...(failureReward === undefined ? {} : { failureReward }) });
}
