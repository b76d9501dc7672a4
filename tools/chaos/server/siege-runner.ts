// A runner of a siege: it claims from the server, and its agent asks the gateway of the trainer. It writes down every acknowledgement.
// Arguments: the configuration as JSON.
import type { Lease, LightningStore, SpanInput } from '@agent-lightning/core';
import { connectGateway } from '@agent-lightning/gateway';
import { Runner, type RolloutContext } from '@agent-lightning/runner';
import { connectStore } from '@agent-lightning/store';
import { letters } from '../../bench/learning/ailments/letter-model.ts';
import { writeEntry } from './siege-ledger.ts';

export interface SiegeRunnerConfiguration {
  readonly serverUrl: string;
  readonly key: string;
  readonly gatewayUrl: string;
  readonly adminKey: string;
  readonly ledger: string;
  readonly outbox: string;
  readonly leaseMs: number;
}

const configuration = JSON.parse(process.argv[2] ?? '{}') as SiegeRunnerConfiguration;
const { serverUrl, key, gatewayUrl, adminKey, ledger, outbox, leaseMs } = configuration;

const store = connectStore({ url: serverUrl, key, outbox: { directory: outbox } });
const complete = store.complete.bind(store);
const appendSpans = store.appendSpans.bind(store);
const witnessed: LightningStore = Object.assign(store, {
  complete: async (lease: Lease) => {
    const rollout = await complete(lease);
    writeEntry(ledger, { type: 'completed', rolloutId: lease.rolloutId, attemptId: lease.attemptId });
    return rollout;
  },
  appendSpans: async (lease: Lease, spans: readonly SpanInput[]) => {
    const ids = await appendSpans(lease, spans);
    const { rolloutId, attemptId } = lease;
    writeEntry(ledger, { type: 'appended', rolloutId, attemptId, spanIds: spans.map(({ spanId }) => spanId) });
    return ids;
  },
});

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

const runner = new Runner<{ readonly letter: string }>({
  store: witnessed,
  gateway: connectGateway({ url: gatewayUrl, adminKey, timeoutMs: 5_000 }),
  concurrency: 4,
  leaseMs,
  attemptTimeoutMs: 60_000,
  rollout: async ({ letter }, context) => {
    const answer = await ask(letter, context);
    const reward = answer[0] === letters[(letters.indexOf(letter) + 1) % letters.length] ? 1 : 0;
    const { rolloutId, attemptId } = context.attempt;
    writeEntry(ledger, { type: 'earned', rolloutId, attemptId, reward });
    return reward;
  },
  onError: (error) => console.error(String(error)),
});
console.log(`ready ${runner.workerId}`);
await runner.run();
