/**
 * PPO with a critic beside group baselines, on an agent of two calls whose tasks pay very differently: what a state is worth is
 * most of what there is to know about a reward, and a critic can learn it from the prompt.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonValue } from '@agent-lightning/core';
import { createCheckpoint, embedded, trainBytePairTokenizer } from '@agent-lightning/embedded';
import type { RolloutContext } from '@agent-lightning/runner';
import { tinyModel } from '@agent-lightning/testing';
import { grpo, Trainer, type GrpoMetrics, type GrpoOptions } from '@agent-lightning/trainer';
import type { LearningCase } from '../learning-case.ts';

/** Ways to train that are compared, all with four rollouts of each of eight tasks a step. */
const ways = {
  grpo: { estimator: 'grpo' },
  'reinforce++': { estimator: 'reinforce++' },
  'critic alone': { estimator: 'gae', critic: { learningRate: 1, trunkWeight: 0 } },
  'critic into the trunk': { estimator: 'gae', critic: { learningRate: 1, trunkWeight: 0.1 } },
} satisfies Readonly<Record<string, GrpoOptions>>;

const settings = { steps: 30, seeds: [0, 1, 2], target: 0.9, groupSize: 4, learningRate: 0.01 } as const;
const tasks = [...'abcdefgh'].map((letter, index) => ({ letter, bonus: index / 2 }));
type Task = (typeof tasks)[number];

/** The course of one run. */
interface Course {
  /** The score of each step's rollouts, from 0 to 1, without the task's bonus. */
  readonly scores: readonly number[];
  readonly explained: readonly number[];
}

export const critic: LearningCase = {
  name: 'critic',
  summary: 'PPO with a critic beside grpo and reinforce++: rollouts to a score of 0.9, and what the critic explains',
  async run() {
    const root = await mkdtemp(join(tmpdir(), 'learning-critic-'));
    try {
      const model = join(root, 'model');
      await createCheckpoint({
        ...tinyModel,
        chatTemplate: '{% for message in messages %}{{ message.content }}{% endfor %}',
        directory: model,
        tokenizer: trainBytePairTokenizer(tinyModel.tokenizer),
      });
      const figures: Record<string, JsonValue> = { ...settings, seeds: [...settings.seeds] };
      const runs = new Map<string, Course[]>();
      const train = async (name: string, options: GrpoOptions, control: 'none' | 'shuffled'): Promise<void> => {
        const courses: Course[] = [];
        for (const seed of settings.seeds) {
          const directory = join(root, `${name}-${seed}`);
          courses.push(await measure(model, directory, options, seed, control));
        }
        runs.set(name, courses);
        figures[name] = describe(courses);
        console.log(name, JSON.stringify(figures[name]));
      };
      for (const [name, options] of Object.entries(ways)) await train(name, options, 'none');
      await train('control', ways['critic into the trunk'], 'shuffled');
      return { ok: isOk(runs, figures), figures };
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  },
};

/** Trains one policy and returns its course. */
async function measure(
  model: string,
  runDirectory: string,
  options: GrpoOptions,
  seed: number,
  control: 'none' | 'shuffled',
): Promise<Course> {
  const backend = embedded({ model, threads: 1 });
  const scores: number[][] = [];
  const explained: number[] = [];
  const trainer = new Trainer({
    backend,
    seed,
    rollout: async (task: Task, context) => {
      const score = await runAgent(task, context);
      (scores[Number(context.rollout.metadata['step']) - 1] ??= []).push(score);
      return score + task.bonus;
    },
    algorithm: grpo({
      groupSize: settings.groupSize,
      tasksPerStep: tasks.length,
      learningRate: settings.learningRate,
      maxTokens: 1,
      ...options,
    }),
    ...(control === 'shuffled' ? { control } : {}),
    runDirectory,
    progress: 'none',
    handleSignals: false,
    logger: { info: () => undefined, warn: () => undefined, error: console.error },
    hooks: {
      onStep: ({ explainedVariance }: Partial<GrpoMetrics>) => void explained.push(explainedVariance ?? Number.NaN),
    },
  });
  try {
    await trainer.fit({ train: tasks, steps: settings.steps });
  } finally {
    await backend.close();
  }
  return { scores: scores.map(meanOf), explained: explained.filter((value) => !Number.isNaN(value)) };
}

/** Asks twice, and returns the share of letters and spaces in the answers: a first answer is part of the second prompt. */
async function runAgent({ letter }: Task, { llm, signal }: RolloutContext): Promise<number> {
  const messages = [{ role: 'user', content: letter }];
  const answers: string[] = [];
  for (const turn of [1, 2]) {
    const response = await fetch(`${llm.baseUrl}/chat/completions`, {
      method: 'POST',
      signal,
      headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: llm.model, messages }),
    });
    if (!response.ok) throw new Error(`the model answered ${response.status}: ${await response.text()}`);
    const body = (await response.json()) as {
      readonly choices: readonly { readonly message: { readonly content: string } }[];
    };
    const { content } = body.choices[0]!.message;
    answers.push(content);
    messages.push({ role: 'assistant', content }, { role: 'user', content: `${turn}${letter}` });
  }
  const text = answers.join('');
  return text.length === 0 ? 0 : [...text].filter((sign) => /[A-Za-z ]/.test(sign)).length / [...text].length;
}

function describe(courses: readonly Course[]): JsonValue {
  return {
    rolloutsToTarget: courses.map(rolloutsToTarget),
    first: courses.map(({ scores }) => rounded(scores[0]!)),
    last: courses.map(({ scores }) => rounded(meanOf(scores.slice(-3)))),
    explained: courses.map(({ explained }) => [1, 5, settings.steps - 1].map((step) => rounded(explained[step] ?? 0))),
  };
}

/** Returns the rollouts after which two steps in a row scored the target; null where none did. */
function rolloutsToTarget({ scores }: Course): number | null {
  const index = scores.findIndex(
    (score, step) => score >= settings.target && (scores[step + 1] ?? score) >= settings.target,
  );
  return index < 0 ? null : (index + 1) * tasks.length * settings.groupSize;
}

/** Checks that the critic learns and helps: it explains most of the rewards, its policies improve, and a control's do not. */
function isOk(runs: ReadonlyMap<string, readonly Course[]>, figures: Record<string, JsonValue>): boolean {
  const gain = ({ scores }: Course): number => meanOf(scores.slice(-3)) - scores[0]!;
  const explainedLate = ({ explained }: Course): number => meanOf(explained.slice(-5));
  const trained = runs.get('critic into the trunk')!;
  const control = runs.get('control')!;
  const bars = {
    gainAtLeast: 0.1,
    explainedAtLeast: 0.5,
    controlGainAtMost: 0.08,
    controlExplainedAtMost: 0.2,
  };
  Object.assign(figures, {
    bars,
    gains: trained.map(gain).map(rounded),
    explainedLate: trained.map(explainedLate).map(rounded),
    controlGains: control.map(gain).map(rounded),
    controlExplained: control.map(explainedLate).map(rounded),
  });
  return (
    trained.every((course) => gain(course) >= bars.gainAtLeast && explainedLate(course) >= bars.explainedAtLeast) &&
    meanOf(control.map(gain)) <= bars.controlGainAtMost &&
    control.every((course) => explainedLate(course) <= bars.controlExplainedAtMost)
  );
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function rounded(value: number): number {
  return Number(value.toFixed(2));
}
