import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runQuickstart } from './quickstart-process.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quickstart-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the quickstart', () => {
  it('refuses flags that it does not know, with its usage', async () => {
    const { code, stdout, stderr } = await runQuickstart(['--sead', '1']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/--sead[^]*npm run quickstart/);
  });

  it('names a run that it cannot resume', async () => {
    const { code, stderr } = await runQuickstart(['--resume', join(folder, 'nothing')]);
    expect(code).toBe(1);
    expect(stderr).toContain(join(folder, 'nothing'));
    expect(stderr).not.toMatch(/^ {4}at /m);
  });
});
