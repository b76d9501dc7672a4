import { check, describeAgentMatch, GatewayError, matchesAgent, type PolicyRoutes } from '@agent-lightning/core';
import { ReplyError } from '../http/reply-error.ts';

/**
 * Checks routes.
 * @throws {GatewayError} `request-invalid` for no policy, or one that is named twice
 * @throws {ConfigurationError} `option-invalid` for an `agentMatch` that names no agent
 */
export function checkRoutes(routes: PolicyRoutes): void {
  check.knownOptions('gateway.route', routes, { policies: true, otherwise: true });
  const { policies, otherwise } = routes;
  if (!Array.isArray(policies)) throw check.optionInvalid('gateway.route: policies', policies, 'a list of policies');
  for (const route of policies) check.knownOptions('a route of a policy', route, { policy: true, agentMatch: true });
  if (otherwise !== undefined) check.knownOptions('the route otherwise', otherwise, { name: true, snapshot: true });
  const invalid = (problem: string): GatewayError => new GatewayError(problem, { code: 'request-invalid' });
  if (policies.length === 0) throw invalid('routes must name at least one policy');
  const names = [...policies.map(({ policy }) => policy), ...(otherwise === undefined ? [] : [otherwise.name])];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`the routes name "${twice}" twice`);
  for (const { policy, agentMatch } of policies)
    check.agentMatch(`the agentMatch of the route to "${policy}"`, agentMatch);
}

/** Returns the name of the model that answers a caller. @throws {ReplyError} `not-found` for a caller that nothing answers */
export function chooseModel({ policies, otherwise }: PolicyRoutes, callerNames: readonly string[]): string {
  const match = policies.find(({ agentMatch }) => matchesAgent(callerNames, agentMatch));
  const model = match?.policy ?? otherwise?.name;
  if (model !== undefined) return model;
  const caller = callerNames.length === 0 ? 'a caller without a name' : JSON.stringify(callerNames).slice(0, 200);
  const known = policies.map(({ policy, agentMatch }) => `"${policy}" ${describeAgentMatch(agentMatch)}`).join(', ');
  throw new ReplyError(
    `no policy answers ${caller}; there are ${known}. Widen an agentMatch, or ask for a policy by its name`,
    { code: 'not-found', param: 'model', replyCode: 'model_not_found' },
  );
}
