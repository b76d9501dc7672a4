/** Random search over one prompt, written as somebody outside this project would: against the contract and the run kit alone. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  check,
  seededRandom,
  TrainerError,
  type Algorithm,
  type AlgorithmHost,
  type AlgorithmRun,
  type Episode,
  type MetricChart,
  type PlannedRollout,
  type Rehearsal,
  type StepOutcome,
  type StepRollouts,
} from '@agent-lightning/core';
import { TaskOrder } from '@agent-lightning/run';

export interface PromptSearchOptions {
  /** Where the search begins. */
  readonly prompt: string;
  /** Sentences that a change puts in or takes out. */
  readonly sentences: readonly string[];
  /** Prompts of a step: the best so far, and changes of it. @default 4 */
  readonly candidates?: number;
  /** Tasks of a step; each candidate runs all of them. @default 4 */
  readonly tasksPerStep?: number;
  /** The search has converged when the best prompt has this mean reward. @default never */
  readonly enough?: number;
}

/** What a search adds to a step's line. */
export interface PromptSearchMetrics {
  readonly bestReward: number;
  readonly bestSentences: number;
  /** Mean reward by candidate; 0 is the best prompt of the step before. */
  readonly candidateReward: Readonly<Record<string, number>>;
  readonly isImproved: boolean;
}

type Settings = Required<PromptSearchOptions>;

interface SearchState {
  readonly best: readonly string[];
  /** Names the best prompt: the step and the candidate that it was first. */
  readonly bestId: string;
  readonly history: readonly { readonly step: number; readonly reward: number; readonly prompt: string }[];
  /** Steps in a row in which no rollout succeeded with a reward. */
  readonly silentSteps: number;
}

interface Candidate {
  readonly resourcesId: string;
  readonly sentences: readonly string[];
}

const stateFile = 'prompt-search.json';

const charts: readonly MetricChart[] = [
  { title: 'mean reward of the best prompt', lines: [['best', 'bestReward']] },
  { title: 'mean reward by candidate', lines: [['candidate', 'candidateReward.*']] },
];

/** Makes a random search: each step tries changes of the best prompt on the same tasks, and keeps what did best. */
export function promptSearch(options: PromptSearchOptions): Algorithm<PromptSearchMetrics> {
  const settings: Settings = {
    prompt: options.prompt,
    sentences: options.sentences,
    candidates: check.wholeNumber('promptSearch.candidates', options.candidates ?? 4, 2),
    tasksPerStep: check.wholeNumber('promptSearch.tasksPerStep', options.tasksPerStep ?? 4),
    enough: options.enough ?? Infinity,
  };
  if (settings.sentences.length === 0)
    throw check.optionInvalid('promptSearch.sentences', settings.sentences, 'at least one sentence');
  return Object.freeze<Algorithm<PromptSearchMetrics>>({
    name: 'prompt-search',
    config: { ...settings },
    tasksPerStep: settings.tasksPerStep,
    uses: { backend: false, samplingAhead: false, comparesSteps: true },
    charts,
    begin: async (host) => new PromptSearchRun(settings, host),
    rehearse: (host) => rehearse(settings, host),
  });
}

class PromptSearchRun implements AlgorithmRun<PromptSearchMetrics> {
  readonly #settings: Settings;
  readonly #host: AlgorithmHost;
  readonly #order: TaskOrder;
  #state: SearchState = { best: [], bestId: 's0', history: [], silentSteps: 0 };

  constructor(settings: Settings, host: AlgorithmHost) {
    this.#settings = settings;
    this.#host = host;
    const { tasksPerStep } = settings;
    this.#order = new TaskOrder({ taskCount: host.tasks.length, tasksPerStep, seed: host.seed });
  }

  get resourcesId(): string {
    return this.#state.bestId;
  }

  async publish(): Promise<void> {
    await putPrompt(this.#host, this.resourcesId, toPrompt(this.#settings, this.#state.best));
  }

  async plan(step: number): Promise<readonly PlannedRollout[]> {
    const candidates = this.#candidatesOf(step);
    for (const { resourcesId, sentences } of candidates)
      await putPrompt(this.#host, resourcesId, toPrompt(this.#settings, sentences));
    return this.#order.tasksOf(step).flatMap((task, position) =>
      candidates.map(({ resourcesId }, candidate): PlannedRollout => ({
        key: `s${step}.g${position}.c${candidate}`,
        groupKey: `s${step}.g${position}`,
        input: this.#host.tasks[task]!,
        mode: 'train',
        resourcesId,
        metadata: { step, task, candidate },
      })),
    );
  }

  async learn({ step, episodes }: StepRollouts): Promise<StepOutcome<PromptSearchMetrics>> {
    const candidates = this.#candidatesOf(step);
    const rewards = candidates.map((_, index) => meanReward(episodes.filter((each) => candidateOf(each) === index)));
    const reward = Math.max(...rewards);
    const winner = candidates[rewards.indexOf(reward)]!; // the first of equals: the best so far stays
    // A rollout that failed has the reward of a failure, which says nothing about prompts when all of them fail.
    const isSilent = episodes.every(({ reward, failureKind }) => reward === undefined || failureKind !== undefined);
    const isImproved = winner.resourcesId !== this.#state.bestId;
    this.#state = {
      best: winner.sentences,
      bestId: winner.resourcesId,
      history: [...this.#state.history, { step, reward, prompt: toPrompt(this.#settings, winner.sentences) }],
      silentSteps: isSilent ? this.#state.silentSteps + 1 : 0,
    };
    const end = this.#checkReward(reward);
    return {
      metrics: {
        bestReward: reward,
        bestSentences: winner.sentences.length,
        candidateReward: Object.fromEntries(rewards.entries()),
        isImproved,
      },
      summary: [`best ${reward.toFixed(3)}`],
      ...(end === undefined ? {} : { end }),
    };
  }

  async save(directory: string): Promise<void> {
    await writeFile(join(directory, stateFile), JSON.stringify(this.#state), { flush: true });
  }

  async load(directory: string): Promise<void> {
    this.#state = JSON.parse(await readFile(join(directory, stateFile), 'utf8')) as SearchState;
  }

  async exportResult(directory: string): Promise<void> {
    const { best, history } = this.#state;
    const prompt = toPrompt(this.#settings, best);
    await writeFile(join(directory, 'prompt.txt'), prompt);
    await writeFile(join(directory, 'history.json'), JSON.stringify(history, undefined, 2));
  }

  #checkReward(reward: number): 'converged' | Error | undefined {
    if (this.#state.silentSteps >= this.#host.noSignalPatience)
      return new TrainerError(
        `no rollout of the last ${this.#state.silentSteps} steps succeeded with a reward; return one from the rollout function`,
        { code: 'no-signal' },
      );
    return reward >= this.#settings.enough ? 'converged' : undefined;
  }

  /** Follows from the seed, the step and the best prompt, so that a resumed run tries the same. */
  #candidatesOf(step: number): readonly Candidate[] {
    const { best, bestId } = this.#state;
    const random = seededRandom(this.#host.seed, `prompt-search/${step}`);
    const changed = Array.from({ length: this.#settings.candidates - 1 }, (_, index): Candidate => {
      const sentence = this.#settings.sentences[Math.floor(random() * this.#settings.sentences.length)]!;
      const sentences = best.includes(sentence) ? best.filter((each) => each !== sentence) : [...best, sentence];
      return { resourcesId: `s${step}.c${index + 1}`, sentences };
    });
    return [{ resourcesId: bestId, sentences: best }, ...changed];
  }
}

async function rehearse(settings: Settings, host: AlgorithmHost): Promise<Rehearsal> {
  const resourcesId = 'rehearsal';
  await putPrompt(host, resourcesId, settings.prompt);
  return {
    resourcesId,
    examine: (_, episodes) => {
      const silent = episodes.filter((episode) => episode.reward === undefined);
      return {
        ok: silent.length < episodes.length,
        findings: silent.length === 0 ? [] : [`${silent.length} of ${episodes.length} rollouts have no reward`],
      };
    },
  };
}

async function putPrompt(host: AlgorithmHost, resourcesId: string, template: string): Promise<void> {
  await host.putResources(resourcesId, { prompt: { type: 'prompt_template', template, engine: 'f-string' } });
}

function toPrompt({ prompt }: Settings, sentences: readonly string[]): string {
  return [prompt, ...sentences].join(' ');
}

function candidateOf(episode: Episode): unknown {
  return episode.rollout.metadata['candidate'];
}

/** A rollout without a reward counts as 0: a prompt with which the agent fails is a bad one. */
function meanReward(episodes: readonly Episode[]): number {
  return episodes.reduce((sum, { reward = 0 }) => sum + reward, 0) / episodes.length;
}
