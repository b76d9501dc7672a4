import { isObject, present } from '../request/request-fields.ts';
import type { JsonObject } from '../http/read-body.ts';
import { invalidField } from '../http/reply-error.ts';
import { check, LightningError, type AgentMatch, type JsonValue, type PolicyRoutes } from '@agent-lightning/core';

import type { ModelNames } from '../policies/answered-names.ts';

type Routes = PolicyRoutes['policies'];

/** Returns policies as JSON: names as they are, patterns as sources and flags. */
export function patternsToJson(policies: Routes): JsonObject {
  return {
    policies: policies.map(({ policy, agentMatch }) => ({ policy, agent_match: matchToJson(agentMatch) })),
  };
}

/** Reads policies with their patterns out of a request. @throws {ReplyError} `request-invalid`, naming the field */
export function readPatterns(body: JsonObject): Routes {
  const list = present(body, 'policies');
  if (!Array.isArray(list)) throw invalidField('policies', 'must be a list of { policy, agent_match }');
  return list.map((route: unknown, index) => {
    const policy = isObject(route) ? present(route, 'policy') : undefined;
    if (typeof policy !== 'string' || policy === '')
      throw invalidField(`policies[${index}].policy`, 'must be the name of a policy');
    return { policy, agentMatch: readMatch(present(route as JsonObject, 'agent_match'), index) };
  });
}

function matchToJson(match: AgentMatch): JsonValue {
  return match instanceof RegExp ? { source: match.source, flags: match.flags } : match;
}

function readMatch(value: unknown, index: number): AgentMatch {
  const field = `policies[${index}].agent_match`;
  if (isObject(value)) return readPattern(value, field);
  try {
    return check.agentMatch(field, value);
  } catch (error) {
    if (!LightningError.isInstance(error)) throw error;
    throw invalidField(
      field,
      `must be { source, flags } of a regular expression, a whole name, or a list of names: ${error.message}`,
    );
  }
}

/** Returns names of models as JSON. */
export function modelNamesToJson(names: ModelNames): JsonObject {
  return { names: names.map((each) => matchToJson(each)) };
}

/** Reads names of models out of a request: texts, and patterns as `{ source, flags }`. @throws {ReplyError} `request-invalid`, naming the field */
export function readModelNames(body: JsonObject): ModelNames {
  const list = present(body, 'names');
  if (!Array.isArray(list)) throw invalidField('names', 'must be a list of names of models, or { source, flags }');
  return list.map((each: unknown, index) => {
    return typeof each === 'string' && each !== '' ? each : readPattern(each, `names[${index}]`);
  });
}

/** Reads `{ source, flags }` of a regular expression. @throws {ReplyError} `request-invalid`, naming the field */
export function readPattern(value: unknown, field: string): RegExp {
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
