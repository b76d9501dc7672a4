import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startModelServer } from '@agent-lightning/testing';
import { expect, it } from 'vitest';

it.each([
  ['with --import @agent-lightning/tracing/register', ['--import', '@agent-lightning/tracing/register']],
  ['without it', []],
])('reaches a client that was built before us: %s', async (_how, flags) => {
  const [own, policy] = await Promise.all([
    startModelServer({ respond: () => 'from the own model' }),
    startModelServer({ respond: () => 'from the policy' }),
  ]);
  const app = join(import.meta.dirname, '__fixtures__/early-client.ts');
  const args = ['--conditions=@agent-lightning/source', ...flags, app, own.baseUrl, policy.baseUrl];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname });
    expect(stdout).toBe('from the policy');
    expect([own.calls.length, policy.calls.length]).toEqual([0, 1]);
  } finally {
    await Promise.all([own.close(), policy.close()]);
  }
});
