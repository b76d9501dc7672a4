import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setUpVllm } from './set-up-vllm.ts';
import { vllmProgram, vllmStampFile } from './vllm-environment.ts';

const hasBuild = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'set-up-vllm-'))));
afterEach(() => rm(directory, { recursive: true }));

describe.runIf(hasBuild)('setting up vLLM', () => {
  it('does nothing where it is', async () => {
    await mkdir(join(directory, 'bin'));
    await writeFile(vllmProgram(directory), 'the program');
    await writeFile(vllmStampFile(directory), '');
    const lines: string[] = [];
    const tell = (line: string): void => void lines.push(line);
    const logger = { info: tell, warn: tell, error: tell };
    expect(await setUpVllm({ directory, logger })).toBe(vllmProgram(directory));
    expect(lines).toEqual([`setup: ${directory} has vLLM 0.32.0 already`]);
    expect(await readFile(vllmProgram(directory), 'utf8')).toBe('the program');
  });

  it('replaces no directory with anything else, and knows its options', async () => {
    await writeFile(join(directory, 'thesis.txt'), 'mine');
    await expect(setUpVllm({ directory })).rejects.toMatchObject({ code: 'option-invalid' });
    expect(await readFile(join(directory, 'thesis.txt'), 'utf8')).toBe('mine');
    await expect(setUpVllm({ build: 'rocm' as never })).rejects.toMatchObject({ code: 'option-invalid' });
  });
});

it.skipIf(hasBuild)('says on other systems what to do', async () => {
  await expect(setUpVllm({ directory })).rejects.toMatchObject({ code: 'option-unsupported' });
});
