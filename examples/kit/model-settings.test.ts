import { describe, expect, it } from 'vitest';

import { readCommandLine } from './command-line.ts';
import { createBackend, modelFlags, modelSettings } from './model-settings.ts';

const program = {
  command: 'npm run example',
  purpose: 'Trains an example.',
  defaultSteps: 1,
  outcome: 'Right answers',
  flags: modelFlags,
  settings: modelSettings('3e-4'),
};

function backendOf(...args: readonly string[]) {
  const options = readCommandLine(program, args);
  if (options === 'help') throw new RangeError('--help was given');
  return createBackend(options, '/no/tiny-model');
}

describe('createBackend', () => {
  it('trains in this process, or in PyTorch where that is asked for', async () => {
    const [here, worker] = [backendOf(), backendOf('--gpu')];
    expect([here.name, worker.name]).toEqual(['embedded', 'gpu']);
    await Promise.all([here.close(), worker.close()]);
  });

  it('takes the model that is given, else the tiny one', async () => {
    for (const [backend, model] of [
      [backendOf(), '/no/tiny-model'],
      [backendOf('--model', '/no/other'), '/no/other'],
    ] as const) {
      await expect(backend.baseSnapshot()).rejects.toThrow(model);
      await backend.close();
    }
  });
});
