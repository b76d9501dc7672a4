import { describeAgentMatch, type Algorithm } from '@agent-lightning/core';
import { describeTeacherServer } from '../teacher-server.ts';
import { checkSftBackend } from './check-sft-backend.ts';
import { sftCharts, type SftMetrics } from './sft-metrics.ts';
import { resolveSftOptions, type SftOptions, type SftSettings } from './sft-options.ts';
import { SftRun } from './sft-run.ts';
import { StoredReader } from './stored-demonstrations.ts';

/** Supervised fine-tuning on good rollouts, as the trainer carries it out. Frozen. */
export interface Sft extends Algorithm<SftMetrics> {
  readonly name: 'sft';
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * Makes supervised fine-tuning: the policy imitates good rollouts of the agent, by a cross entropy on its replies. By default each task runs
 * several times, and the best rollout of each is imitated (rejection sampling).
 * @throws {ConfigurationError} `option-invalid`
 */
export function sft(options: SftOptions = {}): Sft {
  const settings = resolveSftOptions(options);
  const { from, tasksPerStep, rolloutsPerStep, temperature, maxTokens } = settings;
  const stored = from === undefined ? undefined : new StoredReader(settings);
  return Object.freeze<Sft>({
    name: 'sft',
    config: describeSettings(settings),
    tasksPerStep: from === undefined ? tasksPerStep : rolloutsPerStep,
    ...(stored && {
      countSteps: async (_: number, host) => {
        const { selection } = await stored.read(host);
        return Math.max(1, Math.ceil(selection.kept.length / rolloutsPerStep));
      },
    }),
    sampling: Object.freeze({ temperature, ...(maxTokens === undefined ? {} : { maxTokens }) }),
    uses: Object.freeze({ backend: true, tasks: from === undefined, divergence: false, samplingAhead: false }),
    ...(settings.teacher && { models: [settings.teacher.model] }),
    charts: sftCharts,
    check: (host) => checkSftBackend(settings, host),
    begin: (host) => SftRun.begin(settings, host, stored),
    rehearse: (host) => SftRun.rehearse(settings, host, stored),
  });
}

/** Returns the options as a run's record has them: without a key, and a store by its place. */
function describeSettings({ from, teacher, ...others }: SftSettings): Readonly<Record<string, unknown>> {
  return {
    ...others,
    ...(from && {
      from: {
        ...from,
        store: typeof from.store === 'string' ? from.store : 'a store of your own',
        ...(from.agentMatch === undefined ? {} : { agentMatch: describeAgentMatch(from.agentMatch) }),
      },
    }),
    ...(teacher && { teacher: describeTeacherServer(teacher) }),
  };
}
