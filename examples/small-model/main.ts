/** Trains an agent on a real small language model: `npm run example:small-model -- --help`. */
import { ConfigurationError, type TrainingBackend } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { runExample } from '@agent-lightning/example-kit';
import { gpu, setUpStarterModel, type GpuOptions } from '@agent-lightning/gpu';

import { trainShopAgent } from './train.ts';

/** Low-rank adapters: the model's own weights stay as they are. */
const lora = { rank: 16, alpha: 32 };

const program = {
  command: 'npm run example:small-model',
  purpose:
    'Trains a LangGraph agent on SmolLM2-135M on this machine and writes a report. The first run downloads the model (93 MB).',
  defaultSteps: 10,
  outcome: 'Held-out questions that the agent answers right',
  settings: {
    backend: {
      value: 'NAME',
      meaning: 'embedded (in this process) or gpu (PyTorch, on a GPU or the CPU)',
      default: 'embedded',
    },
    device: { value: 'NAME', meaning: 'where PyTorch computes: auto, cpu, cuda, cuda:N or mps', default: 'auto' },
  },
};

type Backend = TrainingBackend & AsyncDisposable;

const backends: Readonly<Record<string, (device: string) => Backend>> = {
  gpu: (name) => {
    const device = name as NonNullable<GpuOptions['device']>; // gpu() refuses what is none
    return gpu({ model: 'smollm2', device, lora, tokenBudget: 1024 }); // 1,024 tokens at once take 2.5 GB
  },
  embedded: () => {
    const options = { model: 'smollm2', wideKernels: true, lora };
    return embedded(options);
  },
};

await runExample(program, async (run) => {
  const { backend: name, device } = run.options.settings;
  const open = backends[name];
  if (open === undefined)
    throw new ConfigurationError(`--backend is "${name}"; it can be ${Object.keys(backends).join(' or ')}.`, {
      code: 'option-invalid',
    });
  await setUpStarterModel();
  await using backend = open(device);
  return await trainShopAgent(run, backend);
});
