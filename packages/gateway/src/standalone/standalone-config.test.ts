import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from './open-store.ts';
import { readStandaloneConfig } from './standalone-config.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-config-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function read(config: unknown, flags: readonly string[] = [], environment: NodeJS.ProcessEnv = {}) {
  const path = join(directory, 'gateway.json');
  await writeFile(path, typeof config === 'string' ? config : JSON.stringify(config));
  return readStandaloneConfig(['--config', path, ...flags], environment);
}

const store = { module: './store.js', open: 'open', options: { path: 'x' } };

describe('readStandaloneConfig', () => {
  it('takes options from the file, secrets from the environment and the rest from flags', async () => {
    const config = await read(
      {
        store,
        port: 1,
        adminKeyEnv: 'ADMIN',
        upstreams: { vllm: { baseUrl: 'http://a/v1', replicas: ['http://b/v1'], apiKeyEnv: 'VLLM' } },
        models: { own: { baseUrl: 'https://c/v1', model: 'gpt', apiKey: 'plain' } },
        policies: { policy: { upstream: 'vllm', model: 'm', version: 3 } },
        maxStaleness: 2,
        onStale: 'refuse',
        answersTo: ['gpt-4o-mini', { source: '^claude-', flags: 'i' }],
      },
      ['--port', '4100', '--drain-ms', '7'],
      { ADMIN: 'admin-key', VLLM: 'vllm-key' },
    );
    expect(config).toEqual({
      options: {
        port: 4100,
        maxStaleness: 2,
        onStale: 'refuse',
        answersTo: ['gpt-4o-mini', /^claude-/i],
        adminKey: 'admin-key',
        upstreams: { vllm: { baseUrl: 'http://a/v1', replicas: ['http://b/v1'], apiKey: 'vllm-key' } },
        models: { own: { baseUrl: 'https://c/v1', model: 'gpt', apiKey: 'plain' } },
      },
      store,
      policies: { policy: { upstream: 'vllm', model: 'm', version: 3 } },
      drainMs: 7,
      directory,
    });
  });

  it('gives help, and no configuration', async () => {
    expect(await readStandaloneConfig(['--help'], {})).toBeUndefined();
  });

  it.each([
    ['{', /is not a JSON object/u],
    [{ store, prot: 1 }, /prot is not an option/u],
    [{ store, answersTo: [{ source: '(' }] }, /answersTo\[0\]` is no regular expression/u],
    [{ store: { module: 'x' } }, /no store/u],
    [{ store, adminKeyEnv: 'NOPE' }, /adminKeyEnv names "NOPE", which is not set/u],
    [
      { store, policies: { p: { upstream: 'a', model: 'm' } } },
      /policies\.p\.upstream must name one of upstreams: none/u,
    ],
    [{ store, upstreams: { a: { url: 'x' } } }, /upstreams\.a\.url is not an option/u],
    [{ store, models: 3 }, /models must be an object/u],
  ])('refuses %j', async (config, message) => {
    await expect(read(config)).rejects.toThrow(message);
  });
});

describe('openStore', () => {
  it('opens what the configuration names, relative to its folder', async () => {
    await writeFile(join(directory, 'store.mjs'), 'export const open = (options) => ({ appendSpans() {}, options });');
    const opened = await openStore({ ...store, module: './store.mjs' }, directory);
    expect(opened).toMatchObject({ options: { path: 'x' } });
  });

  it('says what is missing', async () => {
    await writeFile(join(directory, 'no-store.mjs'), 'export const open = () => ({});');
    const module = './no-store.mjs';
    await expect(openStore({ ...store, module: 'not-installed-at-all' }, directory)).rejects.toThrow(/npm install/u);
    await expect(openStore({ ...store, module, open: 'nothing' }, directory)).rejects.toThrow(/no function "nothing"/u);
    await expect(openStore({ ...store, module }, directory)).rejects.toThrow(/has no appendSpans/u);
  });
});
