/** Trains the agents of four Python frameworks, each with its control: `npm run example:python-frameworks -- --help`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LightningError } from '@agent-lightning/core';
import { setUpStarterModel } from '@agent-lightning/gpu';
import type { TrainingResult } from '@agent-lightning/trainer';

import { environmentOf } from './environments.ts';
import { frameworks } from './frameworks.ts';
import { judge, toOutcome, type Outcome } from './outcome.ts';
import { train } from './train.ts';

const usage = `Trains an agent of each of four Python frameworks on SmolLM2-135M on this machine, unchanged, and once more with shuffled rewards.
The first run downloads the model (93 MB); npm run setup:python-frameworks makes the Python environments before.

  npm run example:python-frameworks -- [options]

  --only NAME          one of ${Object.keys(frameworks).join(', ')}; may be given again (default all)
  --control MODE       shuffled: the control alone; none: without the control; both (default both)
  --seed N             seeds the order of the questions and all sampling (default 0)
  --steps N            training steps (default 3 to 5, by framework)
  --run-directory DIR  where the runs are kept (default runs/<time>)
  --json               prints one JSON object as the last line
  --help               prints this
`;

/** A command line that is not understood. */
class UsageError extends Error {}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: Object.keys(frameworks) },
        control: { type: 'string', default: 'both' },
        seed: { type: 'string', default: '0' },
        steps: { type: 'string' },
        'run-directory': {
          type: 'string',
          default: join('runs', new Date().toISOString().slice(0, 19).replaceAll(':', '-')),
        },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const wrong = values.only.find((name) => !(name in frameworks));
    if (wrong !== undefined)
      throw new UsageError(`--only is "${wrong}"; it can be ${Object.keys(frameworks).join(', ')}`);
    if (!(values.control in runsOf))
      throw new UsageError(`--control is "${values.control}"; it can be shuffled, none or both`);
    const numbers = { seed: Number(values.seed), ...(values.steps !== undefined && { steps: Number(values.steps) }) };
    for (const [name, value] of Object.entries(numbers))
      if (!Number.isInteger(value) || value < 0) throw new UsageError(`--${name} must be a whole number`);
    return { ...values, ...numbers, control: values.control as keyof typeof runsOf };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

const runsOf = { none: ['none'], shuffled: ['shuffled'], both: ['none', 'shuffled'] } as const;

type Options = ReturnType<typeof readOptions>;

function requireEnvironments(names: readonly string[]): void {
  const missing = names.filter((name) => !existsSync(environmentOf(name).python));
  if (missing.length > 0)
    throw new UsageError(
      `no Python environment for ${missing.join(', ')}: npm run setup:python-frameworks -- ${missing.join(' ')}`,
    );
}

async function trainOne(name: string, options: Options): Promise<Outcome> {
  const results: Partial<Record<'none' | 'shuffled', TrainingResult>> = {};
  for (const control of runsOf[options.control]) {
    console.log(`\n${name}${control === 'shuffled' ? ', with shuffled rewards' : ''}`);
    const { steps } = { ...frameworks[name]!, ...(typeof options.steps === 'number' && { steps: options.steps }) };
    const runDirectory = join(options['run-directory'], control === 'none' ? name : `${name}-control`);
    results[control] = await train(name, frameworks[name]!, { steps, seed: options.seed, control, runDirectory });
    if (results[control].stopReason === 'interrupted') process.exit(130);
  }
  return toOutcome(results);
}

try {
  const options = readOptions();
  if (options.help) console.log(usage);
  else {
    requireEnvironments(options.only);
    await setUpStarterModel();
    const outcomes: Record<string, Outcome> = {};
    for (const name of options.only) outcomes[name] = await trainOne(name, options);
    const { rising, controlsFlat, ok } = judge(Object.values(outcomes));
    for (const [name, { text }] of Object.entries(outcomes)) console.log(`${name}: ${text}`);
    if (options.json) {
      const figures = Object.entries(outcomes).map(([name, { figures: own }]) => [name, own]);
      console.log(JSON.stringify({ frameworks: Object.fromEntries(figures), rising, controlsFlat, ok }));
    }
    if (!ok) process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof UsageError) && !LightningError.isInstance(error)) throw error;
  console.error(error instanceof UsageError ? `${error.message}\n\n${usage}` : `${error.message} (${error.code})`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
