// The trainer of a siege: its store is at the server, its gateway is its own, and runners elsewhere run every rollout.
// Arguments: the configuration as JSON.
import { join } from 'node:path';
import type { EnqueueRequest, LightningStore } from '@agent-lightning/core';
import { Gateway } from '@agent-lightning/gateway';
import { connectStore } from '@agent-lightning/store';
import { grpo, Trainer } from '@agent-lightning/trainer';
import { LetterBackend, letters } from '../../bench/learning/ailments/letter-model.ts';
import { writeEntry } from './siege-ledger.ts';

export interface SiegeTrainerConfiguration {
  readonly serverUrl: string;
  readonly key: string;
  readonly gatewayHost: string;
  readonly gatewayPort: number;
  /** The address at which agents reach the gateway. */
  readonly gatewayUrl: string;
  readonly adminKey: string;
  readonly ledger: string;
  readonly folder: string;
  readonly steps: number;
  readonly seed: number;
  readonly resume: boolean;
}

const configuration = JSON.parse(process.argv[2] ?? '{}') as SiegeTrainerConfiguration;
const { serverUrl, key, gatewayHost, gatewayPort, gatewayUrl, adminKey, ledger, folder, steps, seed, resume } =
  configuration;

const store = connectStore({ url: serverUrl, key });
const enqueue = store.enqueue.bind(store);
const witnessed: LightningStore = Object.assign(store, {
  enqueue: async (requests: readonly EnqueueRequest[]) => {
    const rollouts = await enqueue(requests);
    writeEntry(ledger, { type: 'enqueued', rolloutIds: rollouts.map(({ rolloutId }) => rolloutId) });
    return rollouts;
  },
});
const gateway = await Gateway.start({
  store: witnessed,
  host: gatewayHost,
  port: gatewayPort,
  publicUrl: gatewayUrl,
  adminKey,
  seed,
});
const trainer = new Trainer<{ readonly letter: string }>({
  rollout: () => 0, // never called: runners is 0
  runners: 0,
  backend: new LetterBackend(),
  store: witnessed,
  gateway,
  algorithm: grpo({ groupSize: 6, tasksPerStep: 2, learningRate: 0.05, dualClip: false, extendFailed: 0 }),
  noSignalPatience: 1_000,
  retry: { maxAttempts: 50, backoffMs: 20, maxBackoffMs: 500 },
  seed,
  progress: 'plain',
  runDirectory: join(folder, 'run'),
});
const train = [...letters].map((letter) => ({ letter }));
const { stopReason, runId } = await trainer.fit({ train, steps, resume });
await gateway.close();
await store.close();
process.stdout.write(`done ${JSON.stringify({ stopReason, runId })}\n`);
