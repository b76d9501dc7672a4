import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { questions, rightAnswer } from './questions.ts';
import { train } from './train.ts';

const hasPython = spawnSync('python3', ['-c', 'import urllib.request']).status === 0;

describe('the questions', () => {
  it('have one right answer each', () => {
    const right = questions.map((question) => `${question.word} ${question.day}: ${rightAnswer(question)}`);
    expect(right).toHaveLength(14);
    expect(right).toContain('after sunday: monday');
    expect(right).toContain('before monday: sunday');
  });
});

describe('an agent in Python', () => {
  it.skipIf(!hasPython)(
    'is trained as a command (skipped where python3 is missing)',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'python-agent-test-'));
      const quiet = () => undefined;
      const result = await train({
        questions: questions.slice(0, 3),
        steps: 2,
        groupSize: 4,
        seed: 1,
        runDirectory: join(folder, 'run'),
        progress: 'none',
        logger: { info: quiet, warn: quiet, error: quiet },
      }).finally(() => rm(folder, { recursive: true, force: true }));
      expect(result).toMatchObject({ stopReason: 'completed', steps: 2 });
      expect(result.rollouts).toBeGreaterThanOrEqual(3 + 2 * 3 * 4 + 3); // and more where a whole group failed
      expect(result.transitions).toBeGreaterThanOrEqual(2 * 3 * 4); // every call of a command became one
      expect(result.validationBefore).toBe(0);
    },
    120_000,
  );
});
