/** What the tests on a real vLLM share: its program, its administration, and what it says of tokens that it sampled. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PolicySnapshot } from '@agent-lightning/core';
import { Agent, setGlobalDispatcher } from 'undici';
import { findVllm } from '../../../gpu/src/vllm/find-vllm.ts';
import { findWorkerPython } from '../../../gpu/test/worker-python.ts';

export type VllmSnapshot = Extract<PolicySnapshot, { kind: 'openai' }>;

/** The program of a vLLM for the CPU: what AGENT_LIGHTNING_VLLM names, or `npm run setup:vllm` made. */
export const program: string = findVllm('cpu');
/** True when these tests cannot run; their title says what they need. */
export const isMissing: boolean = !existsSync(program) || findWorkerPython() === undefined;
export const needs = 'needs npm run setup:vllm (or AGENT_LIGHTNING_VLLM) and npm run setup:python';

/** A tiny chat model that calls a tool; its context is 192 tokens. */
export const model: string = join(import.meta.dirname, '../../../../examples/calc-agent/model');
/** The share of this computer's memory that vLLM may take, and the gigabytes of its cache. */
export const gpuMemoryUtilization = 0.08;
export const smallCache = { VLLM_CPU_KVCACHE_SPACE: '1', HF_HUB_OFFLINE: '1', VLLM_NO_USAGE_STATS: '1' };

/** Lets agents wait for as long as a start of vLLM takes on a busy machine: by itself, Node's `fetch` gives up after five minutes. */
export function waitPatiently(): void {
  setGlobalDispatcher(new Agent({ headersTimeout: 0, bodyTimeout: 0 }));
}

/** Calls a route of the server behind a base URL that ends in `/v1`. */
export async function callServer(
  { baseUrl, apiKey }: Pick<VllmSnapshot, 'baseUrl' | 'apiKey'>,
  path: string,
  body?: object,
): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${baseUrl}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

/** Lists the adapters that a server holds. */
export async function listAdapters(server: Pick<VllmSnapshot, 'baseUrl' | 'apiKey'>): Promise<readonly string[]> {
  const { data } = JSON.parse((await callServer(server, '/models')).text) as {
    readonly data: readonly { readonly id: string; readonly parent: string | null }[];
  };
  return data.filter(({ parent }) => parent !== null).map(({ id }) => id);
}

/** Lets vLLM compute the log-probabilities of tokens again: those of the response, shape (R,), in nats. */
export async function scoreAgain(
  server: Pick<VllmSnapshot, 'baseUrl' | 'apiKey' | 'model'>,
  prompt: Int32Array,
  response: Int32Array,
): Promise<readonly number[]> {
  const ids = [...prompt, ...response];
  const body = { model: server.model, prompt: ids, max_tokens: 1, temperature: 1, prompt_logprobs: 0 };
  const { status, text } = await callServer(server, '/completions', body);
  if (status !== 200) throw new Error(`vLLM answered ${status}: ${text}`);
  const { choices } = JSON.parse(text) as {
    readonly choices: readonly { readonly prompt_logprobs: readonly (Record<string, { logprob: number }> | null)[] }[];
  };
  return ids.slice(prompt.length).map((id, t) => choices[0]!.prompt_logprobs[prompt.length + t]![String(id)]!.logprob);
}

/** Waits for what a server brings about; the test's own time limit ends a wait in vain. */
export async function untilServer(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo()));
}

/** Returns the process of vLLM's engine: a child of the API server. */
export async function findEngine(apiServer: number): Promise<number> {
  const children = (await readFile(`/proc/${apiServer}/task/${apiServer}/children`, 'utf8')).trim().split(' ');
  for (const child of children)
    if ((await readFile(`/proc/${child}/comm`, 'utf8')).startsWith('VLLM::Engine')) return Number(child);
  throw new Error(`the process ${apiServer} has no engine among its children ${children.join(', ')}`);
}
