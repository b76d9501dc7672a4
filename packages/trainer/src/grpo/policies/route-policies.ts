import { ConfigurationError, type AlgorithmHost } from '@agent-lightning/core';
import { baseModelName, isRouted } from '../../policy-options.ts';

/**
 * Tells the gateway which policy answers whom, where there are several.
 * @throws {ConfigurationError} `option-unsupported` for a gateway that cannot
 */
export async function routePolicies({ gateway, policies, backend }: AlgorithmHost): Promise<void> {
  if (!isRouted(policies)) return;
  if (gateway?.route === undefined)
    throw new ConfigurationError(
      'Trainer: policies needs a gateway that routes calls by their callers, and the given one has no route(); leave gateway out, give a Gateway of this process, or hand on route() of connectGateway',
      { code: 'option-unsupported' },
    );
  const base = await backend!.baseSnapshot();
  await gateway.route({
    policies: policies.map(({ name, agentMatch }) => ({ policy: name, agentMatch: agentMatch! })),
    ...(base === undefined ? {} : { otherwise: { name: baseModelName, snapshot: base } }),
  });
}
