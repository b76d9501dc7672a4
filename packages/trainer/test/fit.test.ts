import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { letterTasks } from './letter-task.ts';
import { createTestTrainer } from './run-folder.ts';

describe('Trainer.fit', () => {
  it('raises the held-out reward of an agent that learns', async () => {
    const { trainer, runDirectory } = await createTestTrainer({ taskKind: (task) => task.kind });
    const result = await trainer.fit({ train: letterTasks, validation: letterTasks, steps: 25 });
    expect(result).toMatchObject({ stopReason: 'completed', steps: 25, runDirectory });
    expect(result.rollouts).toBe(25 * 32 + 2 * 8);
    expect(result.validationBefore).toBeLessThan(0.4);
    expect(result.validationAfter).toBeGreaterThan(0.9);
    const lines = (await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(25);
  });
});
