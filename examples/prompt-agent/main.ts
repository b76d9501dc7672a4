/** Improves the support desk by one of four algorithms: `npm run example:prompt-agent -- --help`. */
import { runExample, UsageError, type ExampleOptions } from '@agent-lightning/example-kit';

import { algorithmNames, fitOptionsOf, stepsOf, train, type AlgorithmName, type OwnModels } from './train.ts';

const settings = {
  algorithm: { value: 'NAME', meaning: 'gepa or apo improve the prompts, sft or grpo the weights', default: 'gepa' },
  model: { value: 'URL', meaning: "with gepa or apo: the agent's model, behind OpenAI's chat dialect", default: '' },
  'model-name': { value: 'NAME', meaning: "the server's name of it", default: '' },
  reflection: { value: 'URL', meaning: 'the model that writes new prompts; with --model', default: '' },
  'reflection-name': { value: 'NAME', meaning: "its server's name of it", default: '' },
  'api-key': {
    value: 'VARIABLE',
    meaning: 'the environment variable that holds the key for both',
    default: 'OPENAI_API_KEY',
  },
};
type Settings = ExampleOptions<never, keyof typeof settings>['settings'];

/** Finds the algorithm on the command line, before all of it is read: the default of `--steps` depends on it. */
function findAlgorithm(args: readonly string[]): AlgorithmName {
  const given = args.flatMap((arg, index) =>
    arg === '--algorithm' ? (args[index + 1] ?? []) : arg.startsWith('--algorithm=') ? arg.slice(12) : [],
  );
  return algorithmNames.find((name) => name === given.at(-1)) ?? 'gepa';
}

const named = findAlgorithm(process.argv.slice(2));
const program = {
  command: 'npm run example:prompt-agent',
  purpose: 'Improves a support desk by its prompts or by the weights of its model, and writes a report.',
  defaultSteps: stepsOf[named],
  outcome: 'Held-out reward, of mails to customers',
  holds: named === 'gepa' || named === 'apo' ? 'the best prompts' : 'Hugging Face layout',
  settings,
};

await runExample(program, ({ options, trainerOptions, fitOptions }) => {
  const algorithm = readAlgorithm(options.settings.algorithm);
  const models = readModels(algorithm, options.settings);
  return train({
    algorithm,
    seed: options.seed,
    ...(models && { models }),
    trainerOptions,
    fitOptions: { ...fitOptionsOf(options.seed, options.validationSeed), ...fitOptions },
  });
});

function readAlgorithm(name: string): AlgorithmName {
  const found = algorithmNames.find((each) => each === name);
  if (found === undefined) throw new UsageError(`--algorithm is "${name}"; it can be ${algorithmNames.join(', ')}`);
  return found;
}

/** Reads the models of the reader's own; undefined where none is named. @throws UsageError when one of them is not whole */
function readModels(algorithm: AlgorithmName, given: Settings): OwnModels | undefined {
  const names = ['model', 'model-name', 'reflection', 'reflection-name'] as const;
  const missing = names.filter((name) => given[name] === '');
  if (missing.length === names.length) return undefined;
  if (algorithm === 'sft' || algorithm === 'grpo')
    throw new UsageError(`--model and --reflection are for gepa and apo; ${algorithm} trains the tiny model`);
  if (missing.length > 0)
    throw new UsageError(
      `with models of your own, ${missing.map((name) => `--${name}`).join(' and ')} must be given too`,
    );
  const apiKey = process.env[given['api-key']];
  const key = apiKey === undefined ? {} : { apiKey };
  return {
    agent: { baseUrl: given.model, model: given['model-name'], ...key },
    reflection: { baseUrl: given.reflection, model: given['reflection-name'], ...key },
  };
}
