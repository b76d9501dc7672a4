/** The flags and settings of an example that trains its own tiny model, or a model that is given. */
import type { TrainingBackend } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { gpu } from '@agent-lightning/gpu';

import type { Setting } from './command-line.ts';
import type { ExampleRun } from './run-example.ts';
import { updateSettings } from './update-settings.ts';

export const modelFlags = {
  gpu: 'trains in PyTorch, an adapter of rank 32, in a worker beside this process',
  'dry-run': 'runs the agent on four held-out tasks, shows what it did, and trains nothing',
} as const;

export type ModelFlag = keyof typeof modelFlags;
export type ModelSetting = 'model' | 'learning-rate';

/** Returns the settings, with the learning rate that suits the tiny model. */
export function modelSettings(learningRate: string): Readonly<Record<ModelSetting, Setting>> {
  return {
    model: {
      value: 'DIR',
      meaning: "the model to start from, in Hugging Face's layout; the own one if not given",
      default: '',
    },
    'learning-rate': updateSettings(learningRate, 24)['learning-rate'],
  };
}

/** Returns the backend that the command line asks for. */
export function createBackend(
  { flags, settings }: ExampleRun<ModelFlag, ModelSetting>['options'],
  tinyModel: string,
): TrainingBackend {
  const model = settings.model === '' ? tinyModel : settings.model;
  return flags.gpu ? gpu({ model }) : embedded({ model, wideKernels: true });
}
