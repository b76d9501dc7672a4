import { execFile } from 'node:child_process';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

/** Runs the program of `npm run train:gpu` with options that it must refuse before it starts anything. */
function refuse(...args: readonly string[]): Promise<{ readonly code: unknown; readonly said: string }> {
  const program = ['--conditions=@agent-lightning/source', join(import.meta.dirname, 'train-gpu.ts'), ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, program, (error, stdout, stderr) =>
      resolve({ code: error?.code, said: `${stdout}${stderr}` }),
    );
  });
}

describe('npm run train:gpu', () => {
  it('refuses a sampler that it does not have, and all weights with vLLM, by name', async () => {
    const [unknown, all] = await Promise.all([refuse('--sampler', 'sglang'), refuse('--sampler', 'vllm')]);
    expect(unknown).toEqual({
      code: 2,
      said: expect.stringMatching(/^--sampler is "sglang"; it can be worker or vllm\n/),
    });
    expect(all).toEqual({ code: 1, said: expect.stringMatching(/^gpu: vllm takes adapters only, and lora is 'full'/) });
  });
});
