import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCheckpoint, embedded, trainBytePairTokenizer } from '@agent-lightning/embedded';
import { tinyModel } from '@agent-lightning/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { commit, startHubServer, type HubServer } from './hub-server.ts';
import { runInProcess, type CommandEnd } from './run-in-process.ts';

let folder: string;
let source: string;
let cache: string;
let hub: HubServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'download-'));
  source = join(folder, 'source');
  await createCheckpoint({ ...tinyModel, directory: source, tokenizer: trainBytePairTokenizer(tinyModel.tokenizer) });
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  hub = await startHubServer(source, {
    'pytorch_model.bin': 'weights again',
    'onnx/model.onnx': 'and again',
    'empty.txt': '',
  });
  cache = mkdtempSync(join(folder, 'cache-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
});

const download = async (model: string, ...args: string[]): Promise<CommandEnd> =>
  await runInProcess(['download', model, '--json', ...args], {
    environment: { AGENT_LIGHTNING_CACHE: cache, HF_ENDPOINT: hub.url },
  });

describe('download', () => {
  it('puts a model where backends find it by its id, whole, and does nothing the next time', async () => {
    const first = await download('org/tiny');
    const directory = join(cache, 'models', 'hub', 'org--tiny@main');
    expect(first.json(), first.complaints).toMatchObject({
      directory,
      commit,
      downloaded: true,
      leftOut: ['pytorch_model.bin', 'onnx/model.onnx'],
    });
    expect(first.complaints).toMatch(/^download: org\/tiny@main goes into .*: \d files, 0\.\d MB\n/);
    for (const name of readdirSync(source))
      expect(readFileSync(join(directory, name))).toEqual(readFileSync(join(source, name)));
    expect(readdirSync(join(cache, 'models', 'hub'))).toEqual(['org--tiny@main']);
    vi.stubEnv('AGENT_LIGHTNING_CACHE', cache);
    const backend = embedded({ model: 'org/tiny', threads: 1 });
    expect((await backend.capabilities()).maxSampleTokens).toBe(tinyModel.config.maxPositions + 1);
    await backend.close();

    const before = hub.requests.filter((request) => request.includes('resolve')).length;
    expect((await download('org/tiny')).json()).toMatchObject({ downloaded: false });
    expect(hub.requests.filter((request) => request.includes('resolve'))).toHaveLength(before);
  });

  it('goes on where a connection broke', async () => {
    hub.cutAfter(5_000);
    expect((await download('org/tiny')).json()).toMatchObject({ downloaded: true });
    const resumed = hub.requests.filter((request) => /bytes=[1-9]/.test(request));
    expect(resumed.length).toBeGreaterThan(0);
  });

  it('goes on where an earlier download stopped', async () => {
    const directory = join(folder, 'stopped');
    hub.cutAfter(5_000, () => hub.goAway());
    const stopped = await runInProcess(['download', 'org/tiny', '--directory', directory, '--json'], {
      environment: { HF_ENDPOINT: hub.url },
    });
    expect(stopped.exitCode).toBe(1);
    hub.comeBack();
    expect(existsSync(directory)).toBe(false);
    const whole = (): number => hub.requests.filter((request) => request.endsWith('/cdn/model.safetensors')).length;
    const before = whole();
    expect((await download('org/tiny', '--directory', directory)).json()).toMatchObject({
      directory,
      downloaded: true,
    });
    expect(hub.requests.some((request) => /bytes=[1-9]\d{3}-/.test(request))).toBe(true);
    expect(whole()).toBe(before);
    expect(existsSync(`${directory}.partial-${commit.slice(0, 12)}`)).toBe(false);
  });

  it('ends with exit code 130 by Ctrl+C, and leaves nothing that looks whole', async () => {
    const directory = join(folder, 'interrupted');
    const end = await runInProcess(['download', 'org/tiny', '--directory', directory], {
      environment: { HF_ENDPOINT: hub.url },
      signal: AbortSignal.abort('SIGINT'),
    });
    expect([end.exitCode, existsSync(directory)]).toEqual([130, false]);
  });

  it.each([/revision\/main$/, /\/tree\//])('ends by Ctrl+C while the hub is asked for %s', async (path) => {
    const interruption = new AbortController();
    hub.stall(path, () => interruption.abort('SIGINT'));
    const end = await runInProcess(['download', 'org/tiny', '--json'], {
      environment: { AGENT_LIGHTNING_CACHE: cache, HF_ENDPOINT: hub.url },
      signal: interruption.signal,
    });
    expect(end).toMatchObject({ exitCode: 130, complaints: expect.stringContaining('was stopped') });
  });

  it('asks for room for what is still to come', async () => {
    const { bavail, bsize } = statfsSync(folder);
    const size = bavail * bsize + 1e9;
    hub.claim('model.safetensors', size);
    expect((await download('org/tiny')).json()).toMatchObject({ error: { code: 'disk-full' } });
    const staging = join(cache, 'models', 'hub', `org--tiny@main.partial-${commit.slice(0, 12)}`);
    const partial = join(staging, 'model.safetensors.incomplete');
    writeFileSync(partial, '');
    truncateSync(partial, size - 1000); // a hole, which takes no room
    const interruption = new AbortController();
    hub.stall(/resolve\/.*safetensors$/, () => interruption.abort('SIGINT'));
    const end = await runInProcess(['download', 'org/tiny', '--json'], {
      environment: { AGENT_LIGHTNING_CACHE: cache, HF_ENDPOINT: hub.url },
      signal: interruption.signal,
    });
    expect(end.json()).toMatchObject({ error: { code: 'cancelled' } });
  });

  it('leaves a directory with files that it did not write as it is', async () => {
    const directory = mkdtempSync(join(folder, 'project-'));
    const file = join(directory, 'thesis.txt');
    for (const name of ['thesis.txt', 'download.json']) {
      writeFileSync(join(directory, name), 'important');
      expect((await download('org/tiny', '--directory', directory)).json()).toMatchObject({
        error: { code: 'option-invalid', message: expect.stringContaining(`holds '${name}', which`) },
      });
      expect(readFileSync(join(directory, name), 'utf8')).toBe('important');
      rmSync(join(directory, name));
    }
    writeFileSync(file, 'important');
    expect((await download('org/tiny', '--directory', file)).json()).toMatchObject({
      error: { message: expect.stringContaining('is a file') },
    });
    rmSync(file);
    expect((await download('org/tiny', '--directory', directory)).json()).toMatchObject({ downloaded: true });
  });

  it.each(['model.safetensors', 'config.json'])(
    'removes a file with another digest, %s, and takes it anew',
    async (file) => {
      hub.spoil(file);
      const spoiled = await download('org/tiny');
      expect(spoiled.json()).toMatchObject({
        error: { code: 'command-failed', message: expect.stringContaining(`${file} of org/tiny came with the digest`) },
      });
      expect((await download('org/tiny')).json()).toMatchObject({ downloaded: true });
    },
  );

  it('says what to do about a model that there is not, one that needs a token, and a hub that is away', async () => {
    expect((await download('org/none')).json()).toMatchObject({
      error: { code: 'option-invalid', message: expect.stringContaining('spelling') },
    });
    expect((await download('org/gated')).json()).toMatchObject({
      error: { message: expect.stringContaining('HF_TOKEN') },
    });
    const gated = async (token: string): Promise<CommandEnd> =>
      await runInProcess(['download', 'org/gated', '--json'], {
        environment: { AGENT_LIGHTNING_CACHE: cache, HF_ENDPOINT: hub.url, HF_TOKEN: token },
      });
    expect((await gated('hf_secret')).json()).toMatchObject({ downloaded: true });
    expect((await gated('secret')).json()).toMatchObject({
      error: { message: expect.stringContaining('begins with hf_') },
    });
    const away = await runInProcess(['download', 'org/tiny'], { environment: { HF_ENDPOINT: 'http://127.0.0.1:9' } });
    expect(away.complaints).toMatch(/goes on where it stopped/);
    expect(await download('tiny')).toMatchObject({ exitCode: 2 });
    expect(await download('starter', '--directory', 'x')).toMatchObject({ exitCode: 2 });
    vi.stubEnv('AGENT_LIGHTNING_CACHE', cache);
    expect(() => embedded({ model: 'org/other' })).toThrow(/agent-lightning download org\/other/);
  });
});
