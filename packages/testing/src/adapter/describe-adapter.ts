import { afterEach, describe, it } from 'vitest';
import { adapterScenarios, type AdapterScenario, type AdapterUnderTest } from './adapter-under-test.ts';
import { ContractServers } from './contract-run.ts';
import { ownClient } from './describe-client.ts';
import { isolationScenarios } from './describe-isolation.ts';
import { hostileTools } from './describe-hostile.ts';
import { promptScenarios } from './describe-prompts.ts';
import { ownTelemetry } from './describe-telemetry.ts';
import { traceScenarios, type Scenario } from './describe-traces.ts';
import { wrappingScenarios } from './describe-wrapping.ts';

const scenarios: Readonly<Record<AdapterScenario, Scenario>> = {
  ...traceScenarios,
  ...isolationScenarios,
  ...wrappingScenarios,
  'own telemetry': ownTelemetry,
  'own client': ownClient,
  'hostile tools': hostileTools,
  ...promptScenarios,
};

/** Declares the whole contract of an adapter as tests, with its real framework; call it in a test file of your adapter's package. */
export function describeAdapter<Agent extends object>(name: string, adapter: AdapterUnderTest<Agent>): void {
  describe(`${name} is an adapter`, () => {
    const servers = new ContractServers();
    afterEach(() => servers.close());
    for (const scenario of adapterScenarios) {
      const reason = adapter.unsupported?.[scenario];
      if (reason === undefined) it(scenario, () => scenarios[scenario](adapter, servers));
      else it(`${scenario} (the framework cannot: ${reason})`, (context) => context.skip(reason));
    }
  });
}
