import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readReward } from '@agent-lightning/core';
import { gepa, promptTemplate } from '@agent-lightning/prompt-optimizer';
import { KeyRing, startServer } from '@agent-lightning/server';
import { MemoryStore } from '@agent-lightning/store';
import { Trainer } from '@agent-lightning/trainer';

/** What became of a run whose rollouts a runner of 0.3 worked off. */
export interface PythonRun {
  readonly rollouts: number;
  /** Says what was not as it should be; undefined when all was. */
  readonly problem: string | undefined;
}

const tasks = ['1+1', '2+2', '3+3', '4+4'];

/** Improves a prompt with our trainer, while every rollout is run by 0.3's own runner in Python, with a runner's key in its address. */
export async function runPythonRunner(python: string): Promise<PythonRun> {
  const directory = await mkdtemp(join(tmpdir(), 'agl03-runner-'));
  const store = new MemoryStore();
  const keys = new KeyRing();
  const { key } = await keys.add({ role: 'runner' });
  const server = await startServer({ store, port: 0, keys });
  const address = new URL(server.url);
  address.username = 'runner';
  address.password = key;
  const child = spawn(python, [join(import.meta.dirname, 'sum_agent.py')], {
    env: { ...process.env, LITELLM_LOCAL_MODEL_COST_MAP: 'True', AGL03_SERVER: address.href.replace(/\/$/u, '') },
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = once(child, 'close');
  const stopped = new AbortController();
  void ended.then(() => stopped.abort());
  try {
    const runDirectory = join(directory, 'run');
    const trainer = new Trainer<string, object>({
      algorithm: gepa({
        prompts: [promptTemplate('answer', 'Answer {{question}}.')],
        reflection: async () => '<new_prompt>Answer {{question}} carefully.</new_prompt>',
        budget: 40,
      }),
      // Never called: the runner in Python has the agent.
      rollout: () => 0,
      runners: 0,
      store,
      runDirectory,
      progress: 'none',
      signal: stopped.signal,
    });
    const { runId } = await trainer.fit({ train: tasks, steps: 2 });
    return await check(store, runId, await readFile(join(runDirectory, 'model', 'prompts.json'), 'utf8'));
  } catch (error) {
    return { rollouts: 0, problem: String(error) };
  } finally {
    child.stdin.end();
    await ended;
    await server.close();
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Says whether every rollout succeeded, with one reward each, and the better prompt was found. */
async function check(store: MemoryStore, runId: string, prompts: string): Promise<PythonRun> {
  const { items } = await store.queryRollouts({ runId, limit: 1_000 });
  const problems: string[] = [];
  for (const { rolloutId, status } of items) {
    const rewards = (await store.querySpans({ rolloutIds: [rolloutId] })).flatMap((span) => readReward(span) ?? []);
    const isRight =
      status === 'succeeded' && rewards.length === 1 && [0.25, 1].includes(rewards[0]?.dimensions[0]?.value ?? NaN);
    if (!isRight) problems.push(`rollout ${rolloutId} is ${status} and has ${rewards.length} rewards`);
  }
  if (items.length < 8) problems.push(`only ${items.length} rollouts ran`);
  if (!prompts.includes('carefully')) problems.push(`the better prompt was not found: ${prompts}`);
  return { rollouts: items.length, problem: problems[0] };
}
