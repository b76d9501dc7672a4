import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkCore, checkFrameworks } from '../src/doctor/check-frameworks.ts';
import { checkKeys } from '../src/doctor/check-keys.ts';
import { checkDisk, checkFolder, checkPort } from '../src/doctor/check-machine.ts';
import { checkModel } from '../src/doctor/check-model.ts';
import { checkNode } from '../src/doctor/check-node.ts';
import { readNeeds } from '../src/doctor/read-needs.ts';
import { readProject } from '../src/project/read-project.ts';
import { runInProcess } from './run-in-process.ts';

const scratch = mkdtempSync(join(tmpdir(), 'doctor-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let count = 0;
function makeFolder(files: Readonly<Record<string, string>>): string {
  const directory = join(scratch, String((count += 1)));
  mkdirSync(directory);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  return directory;
}

describe('what the doctor checks', () => {
  it('compares versions of Node by their numbers', () => {
    const statuses = ['22.14.9', '22.15.0', '22.9.1', '20.20.2', '24.0.0', '100.0.0'].map(
      (version) => checkNode(version, '22.15').status,
    );
    expect(statuses).toEqual(['fault', 'ok', 'fault', 'fault', 'ok', 'ok']);
  });

  it('names a framework that the installed adapter does not take', () => {
    const directory = makeFolder({
      'package.json': '{ "packageManager": "yarn@4.0.0", "dependencies": { "ai": "*" } }',
      'node_modules/ai/package.json': '{ "version": "7.0.1" }',
      'node_modules/@agent-lightning/ai-sdk/package.json': '{ "peerDependencies": { "ai": ">=7.1 <8" } }',
    });
    expect(checkFrameworks(readProject(directory))).toMatchObject([
      {
        status: 'fault',
        found: 'ai 7.0.1, and @agent-lightning/ai-sdk takes >=7.1 <8',
        advice: 'install a version that it takes: yarn add ai@">=7.1 <8"',
      },
    ]);
  });

  it('names both copies of core, wherever a package of ours keeps its own', () => {
    const core = '{ "version": "0.1.0" }';
    const files = {
      'node_modules/@agent-lightning/core/package.json': core,
      'node_modules/agent-lightning/package.json': core,
    };
    const check = (directory: string) => checkCore({ directory, packageManager: 'pnpm' });
    expect(check(makeFolder(files))).toMatchObject({ status: 'ok' });
    const nested = 'node_modules/agent-lightning/node_modules/@agent-lightning';
    const two = makeFolder({
      ...files,
      [`${nested}/trainer/package.json`]: core,
      [`${nested}/trainer/node_modules/@agent-lightning/core/package.json`]: '{ "version": "0.2.0" }',
    });
    expect(check(two)).toMatchObject({
      status: 'fault',
      found: expect.stringContaining('0.2.0 in'),
      advice: expect.stringContaining('run `pnpm dedupe`; `pnpm why @agent-lightning/core` says'),
    });
    expect(check(makeFolder({}))).toMatchObject({ status: 'note', advice: 'pnpm add --save-dev agent-lightning' });
  });

  it('finds a taken port, a full disk, and a read-only folder', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await checkPort(port)).toMatchObject({ status: 'fault', found: `port ${port} is taken by another process` });
    await new Promise((resolve) => server.close(resolve));
    expect(await checkPort(port)).toMatchObject({ status: 'ok' });

    expect(await checkDisk(scratch, 0)).toMatchObject({ status: 'ok' });
    expect(await checkDisk(scratch, 2 ** 62)).toMatchObject({
      status: 'fault',
      advice: expect.stringContaining('make room'),
    });

    const folder = makeFolder({});
    expect(await checkFolder(join(folder, 'runs'), 'runs')).toMatchObject({ status: 'ok' });
    chmodSync(folder, 0o555);
    expect(await checkFolder(join(folder, 'runs'), 'runs')).toMatchObject({ status: 'fault' });
    chmodSync(folder, 0o755);
  });

  it('finds a model without a chat template', async () => {
    const tokenizer = {
      model: { type: 'BPE', vocab: { a: 0 }, merges: [] },
      added_tokens: [],
      decoder: { type: 'ByteLevel' },
    };
    const files = {
      'config.json': '{ "eos_token_id": 0 }',
      'model.safetensors': '',
      'tokenizer.json': JSON.stringify(tokenizer),
      'tokenizer_config.json': '{}',
    };
    expect(await checkModel(makeFolder(files), '.', {})).toMatchObject({
      status: 'fault',
      found: expect.stringContaining('it has no chat template'),
    });
    const whole = join(import.meta.dirname, '../../../examples/sql-agent/model');
    expect(await checkModel(whole, '.', {})).toMatchObject({ status: 'ok' });
    const strange = makeFolder({ ...files, 'tokenizer.json': '{}', 'chat_template.jinja': '{{ messages }}' });
    expect(await checkModel(strange, '.', {})).toMatchObject({
      status: 'note',
      found: expect.stringContaining('embedded cannot read it'),
    });
    expect((await checkModel('none', scratch, {})).found).toContain('is no directory');
    expect((await checkModel('smollm2', scratch, { AGENT_LIGHTNING_CACHE: scratch })).advice).toContain(
      'download starter',
    );
    const hub = await checkModel('Qwen/Qwen3-0.6B', scratch, { AGENT_LIGHTNING_CACHE: scratch });
    expect(hub.advice).toContain('download Qwen/Qwen3-0.6B');
  });

  it('tells a rejected key from one that is taken, and from a provider that is away', async () => {
    const asked: unknown[] = [];
    const server = createHttpServer((request, response) => {
      asked.push([request.url, request.headers.authorization ?? request.headers['x-api-key']]);
      const isRight = request.headers.authorization === 'Bearer right';
      response.statusCode = isRight ? 200 : 401;
      response.end(isRight ? '{"data":[]}' : '{"error":{"message":"the key expired"}}');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const check = async (environment: NodeJS.ProcessEnv) =>
      (await checkKeys({ environment })).map(({ status, found }) => `${status}: ${found}`);
    const openai = { OPENAI_BASE_URL: `${url}/v1/` };
    expect(await check({ ...openai, OPENAI_API_KEY: 'right' })).toEqual([
      `ok: OPENAI_API_KEY is taken by ${url}/v1/models`,
    ]);
    expect(
      await check({ ...openai, OPENAI_API_KEY: 'old', ANTHROPIC_API_KEY: 'older', ANTHROPIC_BASE_URL: url }),
    ).toEqual([
      `fault: OPENAI_API_KEY is rejected by ${url}/v1/models with status 401: the key expired`,
      `fault: ANTHROPIC_API_KEY is rejected by ${url}/v1/models with status 401: the key expired`,
    ]);
    expect(asked.slice(1)).toEqual(
      expect.arrayContaining([
        ['/v1/models', 'Bearer old'],
        ['/v1/models', 'older'],
      ]),
    );
    await new Promise((resolve) => server.close(resolve));
    expect((await check({ ...openai, OPENAI_API_KEY: 'right' }))[0]).toMatch(/^note: .*cannot be reached/);
  });

  it('shows no key and no password, whoever repeats them', async () => {
    const check = async (key: string, base: string, fetch: typeof globalThis.fetch): Promise<string> => {
      const environment = { OPENAI_API_KEY: key, OPENAI_BASE_URL: base };
      return JSON.stringify(await checkKeys({ environment, fetch }));
    };
    const repeat = (text: string) => () => Promise.resolve(new Response(text, { status: 401 }));
    const base = 'http://user:p@ssword@127.0.0.1:9/v1';
    const told = [
      await check('sk-secret', base, repeat('{"error":{"message":"Received=sk-secret, expected sk-"}}')),
      await check('sk-secret ', base, repeat(`${'.'.repeat(295)}sk-secret`)),
      await check('sk-secret', base, () => Promise.reject(new TypeError(`no route to ${base} with sk-secret`))),
      await check('sk-secret', base, globalThis.fetch),
      await check('sk-\nsecret', 'http://127.0.0.1:9/v1', globalThis.fetch),
    ];
    for (const text of told) expect(text).not.toMatch(/secret|sk-s|user|ssword/);
    expect(told[0]).toContain('rejected by http://…@127.0.0.1:9/v1/models with status 401: Received=…, expected sk-');
  });

  it('reads out of the configuration what the project needs, without running it', () => {
    const directory = makeFolder({
      'package.json': '{}',
      'lightning.config.ts': `import { defineConfig, gpu, grpo } from 'agent-lightning';
        throw new Error('it ran');
        export default defineConfig<{ a: string }>({ rollout: () => 1, train: [], algorithm: grpo(), runDirectory: 'out',
          backend: ({ model }) => gpu({ model: model ?? './base', vllm: { port: 8123 }, python: 'py/bin/python' }) });`,
    });
    expect(readNeeds(directory)).toEqual({
      config: 'lightning.config.ts',
      models: ['./base'],
      ports: [8123],
      python: true,
      givenPython: 'py/bin/python',
      gpu: true,
      device: undefined,
      vllm: true,
      runDirectory: 'out',
    });
    const onCpu = makeFolder({
      'lightning.config.mjs': `import * as lightning from 'agent-lightning'; export default { backend: lightning.gpu({ model: process.env.MODEL, device: 'cpu' }) };`,
    });
    expect(readNeeds(onCpu)).toMatchObject({ models: [], python: true, gpu: false, device: 'cpu', vllm: false });
    const twoPorts = makeFolder({
      'lightning.config.mjs': `import { Gateway, gpu } from 'agent-lightning';
        const database = { host: 'db.example.com', port: 5432 };
        const vllm = { port: 8123 };
        export default { gateway: await Gateway.start({ store, port: 4000 }), backend: () => gpu({ model: 'm', vllm }) };`,
    });
    expect(readNeeds(twoPorts).ports).toEqual([4000, 8123]);
    expect(readNeeds(makeFolder({}))).toMatchObject({ config: undefined, python: false, gpu: false });
  });
});

describe('doctor', () => {
  // A machine without Python, GPU and vLLM: nothing is on the PATH.
  const environment = {
    PATH: join(scratch, 'nothing'),
    AGENT_LIGHTNING_CACHE: join(scratch, 'cache'),
    AGENT_LIGHTNING_PYTHON: '/no/python',
  };

  it('ends with exit code 1 and names each fault, with what to do', async () => {
    const directory = makeFolder({
      'package.json': '{ "dependencies": { "ai": "*" } }',
      'node_modules/ai/package.json': '{ "version": "4.0.0" }',
    });
    const end = await runInProcess(['doctor', '--gpu', '--model', 'none', '--json'], { directory, environment });
    expect(end.exitCode).toBe(1);
    const { ok, faults, findings } = end.json() as {
      ok: boolean;
      faults: string[];
      findings: { advice?: string; status: string }[];
    };
    expect([ok, faults]).toEqual([false, ['framework', 'python', 'gpu', 'model']]);
    for (const finding of findings.filter(({ status }) => status === 'fault')) expect(finding.advice).toMatch(/\w/);
    const { output } = await runInProcess(['doctor', '--gpu'], { directory, environment });
    expect(output).toMatch(/fault {2}framework {2}ai 4\.0\.0.*\n +→ install a version/);
    expect(output).toMatch(/\d faults: framework, python, gpu\.\n$/);
  });

  it('checks the key of a .env file', async () => {
    const directory = makeFolder({ '.env': 'OPENAI_API_KEY=k\nOPENAI_BASE_URL=http://127.0.0.1:1/v1\n' });
    const { output } = await runInProcess(['doctor'], { directory, environment });
    expect(output).toContain('OPENAI_API_KEY could not be checked: http://127.0.0.1:1/v1/models cannot be reached');
  });

  it('finds no fault where nothing of it is needed', async () => {
    const directory = makeFolder({});
    const { AGENT_LIGHTNING_PYTHON: _python, ...without } = environment;
    const { exitCode, output } = await runInProcess(['doctor'], { directory, environment: without });
    expect(output).toContain('No fault was found.');
    expect(exitCode).toBe(0);
  });
});
