import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findVllm } from './find-vllm.ts';

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'find-vllm-'))));
afterEach(() => rm(directory, { recursive: true }));

describe('the program that serves vLLM', () => {
  it('is the one of the environment variable, whatever else is there', async () => {
    await mkdir(join(directory, 'bin'));
    await writeFile(join(directory, 'bin', 'vllm'), '');
    for (const device of ['cpu', 'cuda:0', undefined])
      expect(findVllm(device, { AGENT_LIGHTNING_VLLM: '/opt/vllm' }, directory)).toBe('/opt/vllm');
  });

  it('is the one for the CPU beside a worker on the CPU only, where it is installed', async () => {
    expect(findVllm('cpu', { AGENT_LIGHTNING_VLLM: '' }, directory)).toBe('vllm');
    await mkdir(join(directory, 'bin'));
    await writeFile(join(directory, 'bin', 'vllm'), '');
    expect(findVllm('cpu', {}, directory)).toBe(join(directory, 'bin', 'vllm'));
    for (const device of ['auto', 'cuda', undefined]) expect(findVllm(device, {}, directory)).toBe('vllm');
  });
});
