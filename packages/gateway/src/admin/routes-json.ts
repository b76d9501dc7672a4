import { isObject, present } from '../request/request-fields.ts';
import type { JsonObject } from '../http/read-body.ts';
import { invalidField } from '../http/reply-error.ts';
import type { PolicyRoutes } from '@agent-lightning/core';

type Routes = PolicyRoutes['policies'];

/** Returns patterns as JSON: their sources and flags. */
export function patternsToJson(policies: Routes): JsonObject {
  return {
    policies: policies.map(({ policy, agentMatch: { source, flags } }) => ({
      policy,
      agent_match: { source, flags },
    })),
  };
}

/** @throws {ReplyError} `request-invalid`, naming the field */
export function readPatterns(body: JsonObject): Routes {
  const list = present(body, 'policies');
  if (!Array.isArray(list)) throw invalidField('policies', 'must be a list of { policy, agent_match }');
  return list.map((route: unknown, index) => {
    const policy = isObject(route) ? present(route, 'policy') : undefined;
    if (typeof policy !== 'string' || policy === '')
      throw invalidField(`policies[${index}].policy`, 'must be the name of a policy');
    return { policy, agentMatch: readPattern(present(route as JsonObject, 'agent_match'), index) };
  });
}

function readPattern(value: unknown, index: number): RegExp {
  const field = `policies[${index}].agent_match`;
  const source = isObject(value) ? present(value, 'source') : undefined;
  const flags = isObject(value) ? (present(value, 'flags') ?? '') : '';
  if (typeof source !== 'string' || typeof flags !== 'string')
    throw invalidField(field, 'must be { source, flags } of a regular expression');
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw invalidField(field, `is no regular expression: ${(error as Error).message}`);
  }
}
