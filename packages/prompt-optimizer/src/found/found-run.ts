import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  randomOrder,
  seededRandom,
  TrainerError,
  type Algorithm,
  type AlgorithmHost,
  type AlgorithmRun,
  type PlannedRollout,
  type StepOutcome,
  type StepRollouts,
} from '@agent-lightning/core';
import { promptKit, type FoundPrompt, type PromptTemplate } from '@agent-lightning/tracing';
import { findRendered } from '../prompts/prompt-set.ts';
import { countTasks, findPrompts } from './find-prompts.ts';
import type { FindSettings } from './found-source.ts';
import { describeFound, toTemplates } from './found-templates.ts';
import { findMissed, findSteadyPrompts } from './steady-prompts.ts';

type StepSoFar = Parameters<NonNullable<AlgorithmRun['extend']>>[0];

/** A search over prompts that are not known before a run has begun. */
export interface FoundSearch<Metrics extends object> {
  /** The algorithm, in messages. */
  readonly owner: string;
  readonly settings: FindSettings;
  /** A search for one prompt that nobody knows yet, by which the run is estimated before they are found. */
  readonly ahead: Pick<AlgorithmRun<Metrics>, 'estimate'>;
  /** Makes the search when the prompts are known. */
  readonly search: (prompts: readonly PromptTemplate[]) => Algorithm<Metrics>;
}

/** Names the resources with which calls leave their texts in the trace, and those with which the agent runs as it is. */
export const watchId = 'prompts-watch';
const asIsId = 'prompts-as-they-are';
const foundFile = 'found-prompts.json';
const steadyFile = 'steady-prompts.json';
const keyOfFinding = 'find.';

/** Returns the positions of the tasks that are run to find prompts. */
export function drawFindTasks({ findTasks }: FindSettings, taskCount: number, seed: number): readonly number[] {
  return randomOrder(taskCount, seededRandom(seed, 'prompts/find')).slice(0, findTasks);
}

/** A search whose first step begins with a few rollouts of the agent as it is, in which its prompts are found. */
export class FoundRun<Metrics extends object> implements AlgorithmRun<Metrics> {
  readonly #options: FoundSearch<Metrics>;
  readonly #host: AlgorithmHost;
  #found: readonly FoundPrompt[] = [];
  /** The names of the prompts that stood in every call of their agent. */
  #steady: readonly string[] = [];
  #run: AlgorithmRun<Metrics> | undefined;

  constructor(options: FoundSearch<Metrics>, host: AlgorithmHost) {
    this.#options = options;
    this.#host = host;
  }

  get resourcesId(): string {
    return this.#run?.resourcesId ?? asIsId;
  }

  estimate(steps: number): ReturnType<NonNullable<AlgorithmRun['estimate']>> {
    const { ahead, settings } = this.#options;
    const costs = (this.#run ?? ahead).estimate!(steps);
    if (this.#run !== undefined) return costs;
    const finding = Math.min(settings.findTasks, this.#host.tasks.length);
    return { ...costs, rollouts: [costs.rollouts[0] + finding, costs.rollouts[1] + finding] };
  }

  async publish(): Promise<void> {
    if (this.#run !== undefined) return await this.#run.publish();
    await this.#host.putResources(watchId, promptKit.toWatchResources(this.#options.settings.find));
    await this.#host.putResources(asIsId, {});
  }

  async plan(step: number): Promise<readonly PlannedRollout[]> {
    if (this.#run !== undefined) return await this.#run.plan(step);
    const { tasks, seed } = this.#host;
    return drawFindTasks(this.#options.settings, tasks.length, seed).map((task) => ({
      key: `${keyOfFinding}t${task}`,
      input: tasks[task]!,
      mode: 'train',
      resourcesId: watchId,
      metadata: { step, task, purpose: 'find', name: 'found', prompts: watchId },
    }));
  }

  async extend(step: StepSoFar): Promise<readonly PlannedRollout[]> {
    if (this.#run !== undefined) {
      const own = leaveOutFinding(step);
      return (await this.#run.extend?.(leaveOutRewards(own, await this.#findMissed(own)))) ?? [];
    }
    const succeeded = step.rollouts.filter(({ status }) => status === 'succeeded');
    const { agentMatch } = this.#options.settings;
    const spans = await this.#host.readSpans(succeeded);
    const { prompts, left } = findPrompts(succeeded, spans, { agentMatch });
    for (const sentence of left) this.#host.logger.warn(sentence);
    if (countTasks(succeeded) === 1)
      this.#host.logger.warn(
        `prompts were found in one task: what varies from task to task cannot be seen, and may be in their texts; give ${this.#options.owner}.prompts = { findTasks: 4 }, and train on several tasks`,
      );
    if (prompts.length === 0) return [];
    for (const prompt of prompts) this.#host.logger.info(describeFound(prompt));
    const isOfSeveral = countTasks(succeeded) > 1;
    const run = await this.#begin(prompts, isOfSeveral ? findSteadyPrompts(prompts, spans, agentMatch) : []);
    await run.publish();
    return await run.plan(step.step);
  }

  async learn(step: StepRollouts): Promise<StepOutcome<Metrics>> {
    // A step that found nothing has no search whose figures it could give.
    if (this.#run === undefined) return { metrics: {} as Metrics, end: this.#describeNothing(step) };
    const own = { ...step, ...leaveOutFinding({ ...step, planned: [] }) };
    const missed = await this.#findMissed(own);
    const outcome = await this.#run.learn(leaveOutRewards(own, missed));
    const absent = (await this.#findAbsent(own)) ?? describeMissed(missed, this.#options.owner);
    if (absent === undefined) return outcome;
    const isOver = [...missed.values()].some(({ length }) => length === countSucceeded(own));
    if (step.step === 1 || isOver) return { ...outcome, end: absent };
    return { ...outcome, warnings: [...(outcome.warnings ?? []), absent.message] };
  }

  async save(directory: string): Promise<void> {
    await writeFile(join(directory, foundFile), JSON.stringify(this.#found), { flush: true });
    await writeFile(join(directory, steadyFile), JSON.stringify(this.#steady), { flush: true });
    await this.#run?.save(directory);
  }

  async load(directory: string): Promise<void> {
    const found = JSON.parse(await readFile(join(directory, foundFile), 'utf8')) as readonly unknown[];
    const steady = JSON.parse(await readFile(join(directory, steadyFile), 'utf8')) as readonly string[];
    if (found.length > 0) await (await this.#begin(found.map(promptKit.checkFound), steady)).load(directory);
  }

  async exportResult(directory: string): Promise<void> {
    await this.#run?.exportResult(directory);
    await writeFile(join(directory, foundFile), `${JSON.stringify(this.#found, undefined, 2)}\n`);
  }

  /** Begins the search over the prompts that were found. The resources of its candidates say where these stand. */
  async #begin(found: readonly FoundPrompt[], steady: readonly string[]): Promise<AlgorithmRun<Metrics>> {
    const host: AlgorithmHost = {
      ...this.#host,
      putResources: (id, resources) => {
        const places = found.every(({ name }) => Object.hasOwn(resources, name))
          ? promptKit.toPromptResources(found, {})
          : {};
        return this.#host.putResources(id, { ...resources, ...places });
      },
    };
    this.#found = found;
    this.#steady = steady;
    this.#run = await this.#options.search(toTemplates(found)).begin(host);
    return this.#run;
  }

  /** Returns the ids of rollouts whose agents called without a prompt that stood in all of their calls before, by its name. */
  async #findMissed({ rollouts }: Pick<StepSoFar, 'rollouts'>): Promise<ReadonlyMap<string, readonly string[]>> {
    const succeeded = rollouts.filter(({ status }) => status === 'succeeded');
    return findMissed(this.#steady, await this.#host.readSpans(succeeded));
  }

  async #findAbsent({ rollouts }: StepRollouts): Promise<TrainerError | undefined> {
    const succeeded = rollouts.filter(({ status }) => status === 'succeeded');
    if (succeeded.length === 0) return undefined; // Failed rollouts may not have come to their calls.
    const seen = findRendered(await this.#host.readSpans(succeeded));
    const absent = this.#found.find(({ name }) => !seen.has(name));
    if (absent === undefined) return undefined;
    return new TrainerError(
      `the prompt "${absent.name}" was found in the dry run, but stood in no model call of the ${succeeded.length} rollouts of this step, so no version of it can make a difference; if the agent writes it anew in each run, name it by promptTemplate, or leave it out by ${this.#options.owner}.prompts`,
      { code: 'no-signal' },
    );
  }

  #describeNothing({ rollouts }: StepRollouts): TrainerError {
    const succeeded = rollouts.filter(({ status }) => status === 'succeeded').length;
    return new TrainerError(
      `no prompt was found in the model calls of ${succeeded} rollouts (${rollouts.length - succeeded} more failed); wrap the agent with withLightning, let agentMatch select it, and see what trainer.dev({ tasks }) says; for an agent in another process (runCommand), give the Trainer ownModels: { openai: {} }; where user messages hold the prompt, find those: ${this.#options.owner}.prompts = { find: ['system', 'beginning'] }; or name prompts by promptTemplate`,
      { code: 'no-signal' },
    );
  }
}

function countSucceeded({ rollouts }: Pick<StepSoFar, 'rollouts'>): number {
  return rollouts.filter(({ status }) => status === 'succeeded').length;
}

/** Takes the rewards from rollouts that ran with a text that nobody tried: they say nothing about a candidate. */
function leaveOutRewards<Step extends Pick<StepSoFar, 'episodes'>>(
  step: Step,
  missed: ReadonlyMap<string, readonly string[]>,
): Step {
  if (missed.size === 0) return step;
  const ids = new Set([...missed.values()].flat());
  const episodes = step.episodes.map((episode) =>
    ids.has(episode.rollout.rolloutId) ? { ...episode, reward: undefined, rewards: {} } : episode,
  );
  return { ...step, episodes };
}

/** Returns the error that names a prompt that had to stand in rollouts and did not. */
function describeMissed(missed: ReadonlyMap<string, readonly string[]>, owner: string): TrainerError | undefined {
  const [first] = missed;
  if (first === undefined) return undefined;
  const [name, ids] = first;
  return new TrainerError(
    `the prompt "${name}" stood in every call of its agent in the dry run, and in none of the calls of ${ids.length === 1 ? 'the rollout' : `${ids.length} rollouts, such as`} ${ids[0]}: its version was not tried there, and the reward counts for nothing; where the agent's text differs from task to task, find prompts in more tasks by ${owner}.prompts = { findTasks: 12 }, or name it by promptTemplate`,
    { code: 'no-signal' },
  );
}

/** Leaves out the rollouts in which prompts were found: the search does not know them. */
function leaveOutFinding<Step extends Pick<StepSoFar, 'planned' | 'rollouts' | 'episodes'>>(step: Step): Step {
  const isOwn = (rollout: { readonly metadata: Readonly<Record<string, unknown>> }): boolean =>
    rollout.metadata['purpose'] !== 'find';
  return {
    ...step,
    planned: step.planned.filter(isOwn),
    rollouts: step.rollouts.filter(isOwn),
    episodes: step.episodes.filter(({ rollout }) => isOwn(rollout)),
  };
}
