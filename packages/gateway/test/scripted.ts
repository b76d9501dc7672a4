import { startModelServer, type ModelServer, type ModelServerOptions } from '@agent-lightning/testing';
import { onStop, startHarness, type Harness } from './harness.ts';

/** A gateway whose policy is a scripted server that only speaks chat and completions. */
export async function startScripted(
  respond?: ModelServerOptions['respond'],
  options: Parameters<typeof startHarness>[0] = {},
): Promise<Harness & { server: ModelServer }> {
  const server = await startModelServer({ apiKey: 'upstream-secret', ...(respond === undefined ? {} : { respond }) });
  onStop(() => server.close());
  const harness = await startHarness(options);
  harness.gateway.publish('policy', {
    kind: 'openai',
    version: 5,
    baseUrl: server.baseUrl,
    model: 'agl-run-v5',
    apiKey: 'upstream-secret',
  });
  return { ...harness, server };
}
