import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { trainingTickets, validationTickets } from './tickets.ts';
import { train } from './train.ts';

it('improves the desk by GEPA in a few steps', async () => {
  const runDirectory = await mkdtemp(join(tmpdir(), 'prompt-agent-'));
  const quiet = () => undefined;
  try {
    const result = await train({
      algorithm: 'gepa',
      seed: 0,
      trainerOptions: {
        runDirectory,
        progress: 'none',
        logger: { info: quiet, warn: quiet, error: quiet },
        handleSignals: false,
      },
      fitOptions: { train: trainingTickets(0, 36), validation: validationTickets(0, 12), steps: 8, verdict: false },
    });
    expect(result).toMatchObject({ steps: 8, stopReason: 'completed' });
    expect(result.validationAfter).toBeGreaterThan(result.validationBefore!);
    const texts = JSON.parse(await readFile(join(runDirectory, 'model/prompts.json'), 'utf8')) as unknown;
    expect(JSON.stringify(texts)).toContain('Answer the customer.');
  } finally {
    await rm(runDirectory, { recursive: true, force: true });
  }
});
