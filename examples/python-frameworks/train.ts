/** Trains the agent of one framework, which knows nothing of it. */
import { join } from 'node:path';
import { embedded } from '@agent-lightning/embedded';
import { grpo, Trainer, type TrainerOptions, type TrainingResult } from '@agent-lightning/trainer';
import { environmentOf } from './environments.ts';
import type { Answer, Framework } from './frameworks.ts';
import { ScriptServer } from './script-server.ts';
import type { Question } from './tasks.ts';

export interface TrainOptions extends Pick<
  TrainerOptions<Question>,
  'seed' | 'control' | 'runDirectory' | 'logger' | 'progress'
> {
  readonly steps: number;
}

/** Rollouts of a step, all of them at once: the sampler batches what runs at the same time. */
const [tasksPerStep, groupSize] = [4, 8];

/** The share of the questions that is trained on; the others are held out. */
const trained = 0.65;

/** As `runCommand` sets them: tracing that would send the attempt's key to the maker of a framework is off. */
const withoutTracing = {
  OPENAI_AGENTS_DISABLE_TRACING: '1',
  CREWAI_DISABLE_TELEMETRY: 'true',
  CREWAI_TRACING_ENABLED: 'false',
};

/** OpenAI's client builds the schemas of its types at their first use, which is in every run; so they are built once. */
const buildAtImport = { DEFER_PYDANTIC_BUILD: 'false' };

export async function train(
  name: string,
  { script, modules, answersTo, questions, reward, policies, learningRate }: Framework,
  { steps, ...options }: TrainOptions,
): Promise<TrainingResult> {
  await using scripts = await ScriptServer.start({
    python: environmentOf(name).python,
    script: join(import.meta.dirname, 'agents', script),
    modules,
    environment: { ...withoutTracing, ...buildAtImport },
  });
  await using backend = embedded({ model: 'smollm2', lora: { rank: 16, alpha: 32 }, wideKernels: true });
  const trainer = new Trainer<Question>({
    rollout: async (task, { llm, signal }) => {
      const variables = { OPENAI_BASE_URL: llm.baseUrl, OPENAI_API_KEY: llm.apiKey };
      return reward(task, (await scripts.run(task.question, variables, signal)) as Answer);
    },
    answersTo,
    ...(policies !== undefined && { policies }),
    backend,
    algorithm: grpo({ groupSize, tasksPerStep, learningRate, maxTokens: 48 }),
    runners: tasksPerStep * groupSize,
    ...options,
  });
  const count = Math.round(questions.length * trained);
  return await trainer.fit({
    train: questions.slice(0, count),
    validation: questions.slice(count),
    steps,
    validationEvery: 0,
    verdict: { step: 'last', samples: 1 },
  });
}
