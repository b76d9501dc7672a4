import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vllmProgram, vllmStampFile } from '../setup/vllm-environment.ts';
import { findVllm, type VllmPlaces } from './find-vllm.ts';

let directory: string;
let places: VllmPlaces;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'find-vllm-'));
  const cached = { cpu: join(directory, 'cpu'), cuda: join(directory, 'cuda') };
  places = { checkout: join(directory, 'checkout'), cached };
});
afterEach(() => rm(directory, { recursive: true }));

async function install(place: string, isComplete: boolean): Promise<string> {
  await mkdir(join(place, 'bin'), { recursive: true });
  await writeFile(vllmProgram(place), '');
  if (isComplete) await writeFile(vllmStampFile(place), '');
  return vllmProgram(place);
}

describe('the program that serves vLLM', () => {
  it('is the one of the environment variable, whatever else is there', async () => {
    await install(places.checkout!, true);
    for (const device of ['cpu', 'cuda:0', undefined])
      expect(findVllm(device, { AGENT_LIGHTNING_VLLM: '/opt/vllm' }, places)).toBe('/opt/vllm');
  });

  it('is the one for the CPU beside a worker on the CPU only, where it is installed', async () => {
    expect(findVllm('cpu', { AGENT_LIGHTNING_VLLM: '' }, places)).toBe('vllm');
    await install(places.cached.cpu, false);
    expect(findVllm('cpu', {}, places), 'one that was not made to its end').toBe('vllm');
    const cached = await install(places.cached.cpu, true);
    expect(findVllm('cpu', {}, places)).toBe(cached);
    expect(findVllm('cpu', {}, places)).not.toBe(await install(places.cached.cuda, false));
    const own = await install(places.checkout!, false);
    expect(findVllm('cpu', {}, places)).toBe(own);
    for (const device of ['auto', 'cuda', undefined]) expect(findVllm(device, {}, places)).toBe('vllm');
  });

  it('is the one for a GPU beside a worker on a GPU, where it was set up', async () => {
    const cached = await install(places.cached.cuda, true);
    for (const device of ['auto', 'cuda:1', undefined]) expect(findVllm(device, {}, places)).toBe(cached);
    expect(findVllm('cpu', {}, places)).toBe('vllm');
  });
});
