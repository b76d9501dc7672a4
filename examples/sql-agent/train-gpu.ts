/** Trains the SQL agent in PyTorch, on a GPU or without: `npm run train:gpu -- --help`. */
import { runExample } from '@agent-lightning/example-kit';
import { gpu, type GpuOptions } from '@agent-lightning/gpu';

import { sqlFlags, sqlSettings, startingModel, trainSqlAgent } from './train.ts';

const program = {
  command: 'npm run train:gpu',
  purpose: 'Trains the SQL agent in PyTorch, in a worker beside this process, and writes a report.',
  defaultSteps: 20,
  outcome: 'Held-out questions that the agent answers right',
  flags: sqlFlags,
  settings: {
    ...sqlSettings,
    device: { value: 'NAME', meaning: 'auto, cpu, cuda or cuda:N', default: 'auto' },
    lora: { value: 'RANK', meaning: "rank of the adapter that trains, or 'full' for all weights", default: 'full' },
    'learning-rate': { value: 'X', meaning: 'adapters want about ten times that of all weights', default: '1.5e-4' },
  },
};

await runExample(program, (run) => {
  const { model, device, lora, 'learning-rate': learningRate } = run.options.settings;
  const backend = gpu({
    model: model || startingModel,
    device: device as NonNullable<GpuOptions['device']>, // gpu() refuses what is none
    ...(model === '' && { dtype: 'float32' }), // it is tiny: bfloat16 saves nothing
    lora: lora === 'full' ? 'full' : { rank: Number(lora) },
  });
  return trainSqlAgent(run, { backend, learningRate: Number(learningRate) });
});
