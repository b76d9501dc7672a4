/** A real LiteLLM proxy before a fake vLLM. AGENT_LIGHTNING_LITELLM names its program: `pip install 'litellm[proxy]==1.108.7'`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PolicySnapshot, TrainingBackend } from '@agent-lightning/core';
import { gpu } from '@agent-lightning/gpu';
import { guardTree, hasProcessGroups, signalTree } from '@agent-lightning/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../gpu/src/vllm/vllm-process.ts';
import { startFakeVllm, type FakeVllm } from '../../gpu/test/fakes/fake-vllm.ts';
import { measureAsWorker } from '../../gpu/test/fakes/same-model.ts';
import { createTinyCheckpoint, tinyVocabularySize } from '../../embedded/test/tiny-checkpoint.ts';
import { startHarness, stopAll } from '../../gateway/test/harness.ts';
import { startFakeTinker, type FakeTinker } from '../../tinker/test/fakes/fake-tinker.ts';
import { recordingLogger } from './run-folder.ts';

const program = process.env['AGENT_LIGHTNING_LITELLM'] ?? '';
const masterKey = 'sk-of-the-proxy';
const logger = recordingLogger();

let root: string;
let vllm: FakeVllm;
let worker: FakeTinker;
let proxy: { readonly url: string; stop(): Promise<void> };

/** Starts LiteLLM with its ordinary routes, and with the pass-through endpoint of docs/vllm.md. */
async function startProxy(): Promise<typeof proxy> {
  const port = await freePort();
  const config = {
    model_list: [
      { model_name: '*', litellm_params: { model: 'hosted_vllm/*', api_base: vllm.baseUrl, api_key: 'key-of-vllm' } },
    ],
    general_settings: {
      master_key: masterKey,
      pass_through_endpoints: [
        { path: '/policy', target: vllm.url, include_subpath: true, headers: { Authorization: 'Bearer key-of-vllm' } },
      ],
    },
  };
  await writeFile(join(root, 'litellm.yaml'), JSON.stringify(config)); // JSON is YAML
  const words = ['--config', join(root, 'litellm.yaml'), '--host', '127.0.0.1', '--port', String(port)];
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], detached: hasProcessGroups });
  const release = guardTree(child);
  const printed: string[] = [];
  const listens = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed.push(text);
      if (printed.join('').includes('Uvicorn running')) listens.resolve();
    });
  child.once('exit', () => listens.reject(new Error(`litellm ended: ${printed.join('')}`)));
  await listens.promise;
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      signalTree(child, 'SIGKILL');
      await once(child, 'exit');
      release();
    },
  };
}

const isMissing = !existsSync(program);
describe('a LiteLLM proxy before vLLM (needs AGENT_LIGHTNING_LITELLM)', { skip: isMissing }, () => {
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'litellm-'));
    await createTinyCheckpoint(join(root, 'model'));
    vllm = await startFakeVllm({ apiKey: 'key-of-vllm', measurePrompt: measureAsWorker(tinyVocabularySize) });
    worker = await startFakeTinker({
      serverKind: 'worker',
      modelName: 'model',
      vocabularySize: tinyVocabularySize,
      adaptersDirectory: join(root, 'adapters'),
    });
    proxy = await startProxy();
  }, 300_000);
  afterAll(async () => {
    await stopAll();
    await proxy.stop();
    await Promise.all([worker.close(), vllm.close()]);
    await rm(root, { recursive: true });
  });

  const attach = (url: string): TrainingBackend =>
    gpu({
      model: join(root, 'model'),
      url: worker.url,
      apiKey: worker.apiKey,
      lora: { rank: 8 },
      vllm: { url, apiKey: masterKey },
      logger,
    });
  /** Asks through the gateway, whole and streamed; returns what was captured. */
  const capture = async (snapshot: PolicySnapshot): Promise<unknown[]> => {
    const { gateway, post, finish } = await startHarness();
    gateway.publish('policy', snapshot);
    for (const stream of [false, true]) {
      const response = await post({ model: 'policy', stream, messages: [{ role: 'user', content: 'hi' }] });
      expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('ok')]);
    }
    return (await finish()).map(({ tokens, attributes }) => ({
      untrainable: attributes['agentlightning.untrainable'],
      ...(tokens?.response === undefined ? {} : { response: [...tokens.response], logprobs: [...tokens.logprobs!] }),
    }));
  };

  it('is refused by name at its ordinary address', async () => {
    const backend = attach(proxy.url);
    await expect(backend.capabilities()).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining(`${proxy.url} is a LiteLLM proxy`),
    });
    await backend.close();
  }, 60_000);

  it('lets versions be published, and every token be captured, through a pass-through endpoint', async () => {
    const backend = attach(`${proxy.url}/policy`);
    const policy = await backend.createPolicy({ name: 'writer', seed: 0 });
    const snapshot = (await policy.publish(1)) as Extract<PolicySnapshot, { kind: 'openai' }>;
    expect(snapshot.baseUrl).toBe(`${proxy.url}/policy/v1`);
    expect(vllm.adapters).toEqual([snapshot.model]);
    const [whole, streamed] = await capture(snapshot);
    expect(streamed).toEqual(whole);
    expect(whole).toMatchObject({ untrainable: undefined, response: { length: 2 }, logprobs: { length: 2 } });
    await backend.close();
    expect(vllm.adapters).toEqual([]);
    expect(logger.lines.filter((line) => line.startsWith('warning'))).toEqual([]);
  }, 60_000);

  it('loses token ids on its ordinary routes, so that such calls are not trained on', async () => {
    const served = {
      kind: 'openai',
      version: 1,
      baseUrl: `${proxy.url}/v1`,
      model: 'base-model',
      apiKey: masterKey,
    } as const;
    for (const call of await capture(served))
      expect(call).toMatchObject({
        untrainable: expect.stringMatching(/^the upstream sent no (?:prompt|response) token ids/),
      });
  }, 60_000);
});
