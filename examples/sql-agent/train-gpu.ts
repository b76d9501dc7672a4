/** Trains the SQL agent in PyTorch, on a GPU or without: `npm run train:gpu -- --help`. */
import { readUpdateSettings, runExample, updateSettings, UsageError } from '@agent-lightning/example-kit';
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
    sampler: { value: 'NAME', meaning: 'worker, or vllm, which needs --lora (npm run setup:vllm)', default: 'worker' },
    ...updateSettings('', 24),
    'learning-rate': {
      value: 'X',
      meaning: 'of Adam, or auto: updates find their size; 1.5e-4 for all weights, 1.5e-3 for an adapter if not given',
      default: '',
    },
  },
};

/** Returns the options of `gpu` for what samples: undefined where the worker does. */
function samplerOptions(sampler: string, isTinyOnCpu: boolean): GpuOptions['vllm'] {
  if (sampler === 'worker') return undefined;
  if (sampler !== 'vllm') throw new UsageError(`--sampler is "${sampler}"; it can be worker or vllm`);
  if (!isTinyOnCpu) return true;
  // On a CPU both are memory of the computer, and the model needs little: a share of it, and gigabytes.
  return { gpuMemoryUtilization: 0.08, env: { VLLM_CPU_KVCACHE_SPACE: '1' } };
}

await runExample(program, (run) => {
  const { settings } = run.options;
  const { model, device, lora, sampler } = settings;
  const defaultRate = lora === 'full' ? '1.5e-4' : '1.5e-3';
  const update = readUpdateSettings({ ...settings, 'learning-rate': settings['learning-rate'] || defaultRate });
  const vllm = samplerOptions(sampler, device === 'cpu' && model === '');
  const backend = gpu({
    model: model || startingModel,
    device: device as NonNullable<GpuOptions['device']>, // gpu() refuses what is none
    ...(model === '' && { dtype: 'float32' }), // it is tiny: bfloat16 saves nothing
    lora: lora === 'full' ? 'full' : { rank: Number(lora) },
    ...(vllm === undefined ? {} : { vllm }),
  });
  return trainSqlAgent(run, { backend, ...update });
});
