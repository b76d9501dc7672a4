/** Vitest as a user runs it: the test of an agent that got worse fails, and says why. */
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
let folder: string;

beforeAll(async () => {
  await mkdir(join(root, '.cache'), { recursive: true });
  folder = await mkdtemp(join(root, '.cache/user-'));
  await copyFile(join(root, 'test/__fixtures__/sums.jsonl'), join(folder, 'sums.jsonl'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the test of an agent that is changed by `change`, with the options `options`. */
async function runVitest(
  change: string,
  options = '',
): Promise<{ readonly status: number | null; readonly text: string }> {
  await writeFile(
    join(folder, 'agent.test.ts'),
    `import { describeAgent } from '@agent-lightning/regression/vitest';
import { recordedAgent, runAgent } from '../../test/tool-agent.ts';
describeAgent('sums', {
  recording: ${JSON.stringify(join(folder, 'sums.jsonl'))},
  rollout: async (task, context) => {
    const reward = await runAgent({ ...recordedAgent }, task, context);
    ${change}
  },
  ${options}
});`,
  );
  const vitest = join(root, '../../node_modules/vitest/vitest.mjs');
  const config = join(root, '../../vitest.config.ts');
  const words = [vitest, 'run', '--config', config, '--root', folder, '--reporter', 'verbose'];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  return { status, text: `${stdout}${stderr}` };
}

it('passes for the agent as it was recorded, and fails for one whose reward fell', async () => {
  const same = await runVitest('return reward;');
  expect([same.status, same.text]).toEqual([0, expect.stringContaining('2 passed')]);
  const worse = await runVitest('return task.numbers[0] === 30 ? reward / 2 : reward;');
  expect([worse.status, worse.text]).toEqual([1, expect.stringMatching(/the reward fell from 1 to 0\.5/)]);
  expect(worse.text).toContain('1 failed');
});

it('compares the mean where that is asked for', async () => {
  const allowed = await runVitest('return reward - 0.1;', "compare: 'mean', tolerance: 0.2,");
  expect(allowed.status).toBe(0);
  const fell = await runVitest('return reward - 0.1;', "compare: 'mean',");
  expect([fell.status, fell.text]).toEqual([1, expect.stringContaining('the mean reward fell from 1 to 0.9')]);
});
