// A runner of a siege: it claims from the server, and its agent asks the gateway of the trainer. It writes down every acknowledgement.
// Arguments: the configuration as JSON; the variables of siege-agent.ts.
import type { Lease, LightningStore, SpanInput } from '@agent-lightning/core';
import { connectGateway } from '@agent-lightning/gateway';
import { Runner } from '@agent-lightning/runner';
import { connectStore } from '@agent-lightning/store';
import answerLetter from './siege-agent.ts';
import { writeEntry } from './siege-ledger.ts';
import { attemptTimeoutMs, type SiegeRunnerConfiguration } from './siege-runner-configuration.ts';

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

const runner = new Runner<{ readonly letter: string }>({
  store: witnessed,
  gateway: connectGateway({ url: gatewayUrl, adminKey, timeoutMs: 5_000 }),
  concurrency: 4,
  leaseMs,
  attemptTimeoutMs,
  rollout: answerLetter,
  onError: (error) => console.error(String(error)),
});
console.log(`ready ${runner.workerId}`);
await runner.run();
