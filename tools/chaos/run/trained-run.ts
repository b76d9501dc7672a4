// A training run under fire, over a gateway and a worker that are processes of their own. It writes down every acknowledgement.
// Arguments: the configuration as JSON.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lease, LightningStore, TrainingGateway } from '@agent-lightning/core';
import { connectGateway } from '@agent-lightning/gateway';
import type { RolloutContext } from '@agent-lightning/runner';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { grpo, Trainer } from '@agent-lightning/trainer';
import { letters } from '../../bench/learning/ailments/letter-model.ts';
import { RemoteLetters } from './remote-letters.ts';

export interface RunConfiguration {
  readonly folder: string;
  readonly ledger: string;
  readonly steps: number;
  readonly resume: boolean;
  readonly seed: number;
  readonly workerUrl: string;
  readonly gatewayUrl: string;
  readonly adminKey: string;
}

/** What the run writes down, in the moment in which it is true. */
export type RunEntry =
  /** The agent has read a whole answer. */
  | { readonly type: 'answered'; readonly rolloutId: string; readonly attemptId: string }
  | { readonly type: 'earned'; readonly rolloutId: string; readonly attemptId: string; readonly reward: number }
  /** The store has acknowledged the end of the attempt. */
  | { readonly type: 'completed'; readonly rolloutId: string; readonly attemptId: string };

const configuration = JSON.parse(process.argv[2] ?? '{}') as RunConfiguration;
const { folder, steps, resume, seed, workerUrl, gatewayUrl, adminKey } = configuration;
const callsPerRollout = 2;

function write(entry: RunEntry): void {
  appendFileSync(configuration.ledger, `${JSON.stringify(entry)}\n`);
}

const store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
const complete = store.complete.bind(store);
const witnessed: LightningStore = Object.assign(store, {
  complete: async (lease: Lease) => {
    const rollout = await complete(lease);
    write({ type: 'completed', rolloutId: lease.rolloutId, attemptId: lease.attemptId });
    return rollout;
  },
});

const remote = connectGateway({ url: gatewayUrl, adminKey, timeoutMs: 10_000 });
const gateway: TrainingGateway = {
  openAttempt: (claim) => remote.openAttempt(claim),
  closeAttempt: (claim) => remote.closeAttempt(claim),
  publish: (policy, snapshot) =>
    snapshot.kind === 'openai'
      ? remote.publish(policy, { version: snapshot.version, upstream: 'letters', model: snapshot.model })
      : undefined,
  close: async () => undefined,
};

async function ask(letter: string, { llm, signal }: RolloutContext): Promise<string> {
  const response = await fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    signal,
    headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: llm.model, messages: [{ role: 'user', content: letter }] }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the model answered ${response.status}: ${text}`);
  return (JSON.parse(text) as { choices: { message: { content: string } }[] }).choices[0]!.message.content;
}

const trainer = new Trainer<{ readonly letter: string }>({
  rollout: async ({ letter }, context) => {
    const { rolloutId, attemptId } = context.attempt;
    let right = 0;
    for (let call = 0; call < callsPerRollout; call += 1) {
      const answer = await ask(letter, context);
      write({ type: 'answered', rolloutId, attemptId });
      if (answer[0] === letters[(letters.indexOf(letter) + 1) % letters.length]) right += 1;
    }
    const reward = right / callsPerRollout;
    write({ type: 'earned', rolloutId, attemptId, reward });
    return reward;
  },
  backend: new RemoteLetters(workerUrl),
  store: witnessed,
  gateway,
  algorithm: grpo({ groupSize: 6, tasksPerStep: 2, learningRate: 0.05, dualClip: false, extendFailed: 0 }),
  noSignalPatience: 1_000,
  retry: { maxAttempts: 20, backoffMs: 20 },
  seed,
  progress: 'plain',
  runDirectory: join(folder, 'run'),
});
const train = [...letters].map((letter) => ({ letter }));
const { stopReason, runId } = await trainer.fit({ train, steps, resume });
await store.close();
process.stdout.write(`done ${JSON.stringify({ stopReason, runId })}\n`);
