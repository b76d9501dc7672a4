/** Compares two checkpoints of the SQL agent: `npm run eval -- --help`. */
import { parseArgs } from 'node:util';
import { LightningError } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { serveStartingModel, UsageError } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/langgraph';
import { describeVerdict, grpo, Trainer, verdictExitCodes, type Verdict } from '@agent-lightning/trainer';

import { createSqlAgent } from './agent.ts';
import { ownQuestions, type SqlQuestion } from './question-set.ts';
import { startingModel } from './train.ts';

const usage = `Says whether the SQL agent at checkpoint B is better than at checkpoint A.

  npm run eval -- --compare A B [options]

A and B are run directories of the quickstart (the best step, or DIR@STEP), or base: the agent before training.

  --tasks N            held-out questions (default 160)
  --samples K          answers to each, sampled as in training (default 4)
  --validation-seed M  picks the questions; the seed of the run picks those that chose its best step (default 1)
  --model DIR          the model that the runs started from; the own one if not given
  --json               prints the verdict as one JSON object

Exit codes: 0 better, 3 worse, 4 can't tell, 1 failed, 2 called wrongly.
`;

const options = {
  compare: { type: 'string' },
  tasks: { type: 'string', default: '160' },
  samples: { type: 'string', default: '4' },
  'validation-seed': { type: 'string', default: '1' },
  model: { type: 'string', default: startingModel },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

type Values = ReturnType<typeof readArguments>['values'];

function readArguments() {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [candidate] = positionals;
  if (values.help) return { values, baseline: '', candidate: '' };
  if (values.compare === undefined || candidate === undefined || positionals.length > 1)
    throw new UsageError(
      `--compare takes two checkpoints; got ${[values.compare, ...positionals].join(' ') || 'none'}`,
    );
  return { values, baseline: values.compare, candidate };
}

function toWholeNumber(name: 'tasks' | 'samples' | 'validation-seed', values: Values): number {
  if (/^\d+$/.test(values[name])) return Number(values[name]);
  throw new UsageError(`--${name} is "${values[name]}"; a whole number was expected`);
}

async function compare(values: Values, baseline: string, candidate: string): Promise<Verdict> {
  const [count, samples] = [toWholeNumber('tasks', values), toWholeNumber('samples', values)];
  const questions = ownQuestions({ seed: 0, validationSeed: toWholeNumber('validation-seed', values) });
  const backend = embedded({ model: values.model, wideKernels: true });
  await using resources = new AsyncDisposableStack();
  resources.defer(() => backend.close());
  resources.use(await serveStartingModel(backend, 'tiny-sql')); // what the agent's own models are
  const agent = withLightning(createSqlAgent(), { agentMatch: /write/ });
  const trainer = new Trainer<SqlQuestion>({
    rollout: async (task, { signal }) => {
      const { query } = await agent.invoke({ database: task.database, question: task.question }, { signal });
      return await questions.reward(task, query);
    },
    backend,
    algorithm: grpo(),
    runners: 32,
  });
  return await trainer.compare({ tasks: questions.validation.slice(0, count), samples, baseline, candidate });
}

try {
  const { values, baseline, candidate } = readArguments();
  if (values.help) {
    console.log(usage);
  } else {
    const verdict = await compare(values, baseline, candidate);
    console.log(values.json ? JSON.stringify({ baseline, candidate, verdict }) : describeVerdict(verdict));
    process.exitCode = verdictExitCodes[verdict.answer];
  }
} catch (error) {
  if (isUsageError(error)) {
    console.error(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else if (LightningError.isInstance(error)) {
    console.error(`${error.message} (${error.code})`);
    process.exitCode = 1;
  } else {
    throw error;
  }
}

function isUsageError(error: unknown): error is Error {
  return error instanceof UsageError || (error instanceof TypeError && 'code' in error); // parseArgs throws the latter
}
