import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PolicySnapshot, PolicyRoutes } from '@agent-lightning/core';
import { hashKey, isKey, presentedKey } from '../attempts/attempt-key.ts';
import type { OpenClaim } from '../attempts/attempt-session.ts';
import { integerField, isObject, present } from '../request/request-fields.ts';
import { readJsonBody, type BodyLimits, type JsonObject } from '../http/read-body.ts';
import { ReplyWriter } from '../http/reply-writer.ts';
import { decodeSegment, expectMethod, unknownPath } from '../http/routes.ts';
import { invalidField, ReplyError } from '../http/reply-error.ts';
import { readModelNames, readPatterns } from './routes-json.ts';
import type { ModelNames } from '../policies/answered-names.ts';
import type { PauseOptions } from '../policies/admission-gate.ts';
import type { UpstreamServers } from '../policies/model-options.ts';
import type { StalenessOptions } from '../policies/staleness-rule.ts';
import {
  countField,
  endpointToJson,
  modelsToJson,
  readClaim,
  readStaleness,
  stalenessToJson,
  type ModelEntry,
} from './admin-json.ts';

/** The header of every admin reply that names the gateway: another one after it was started again. */
export const instanceHeader = 'x-gateway-instance';

/** The operations that the operator's routes call. */
export interface AdminSurface {
  readonly instance: string;
  readonly adminKey: string | undefined;
  /** True where the server that the gateway is mounted in has checked who asks. */
  readonly isAdmitted: boolean;
  readonly limits: BodyLimits;
  /** Notes that a request had the key. */
  trust(request: IncomingMessage): void;
  /** The servers that snapshots may be published to over HTTP, by name. */
  readonly upstreams: Readonly<Record<string, UpstreamServers>>;
  list(): readonly ModelEntry[];
  openAttempts(): readonly { readonly rolloutId: string; readonly attemptId: string; readonly inFlight: number }[];
  route(routes: PolicyRoutes): void;
  publish(policy: string, snapshot: PolicySnapshot): void;
  drained(policy: string, version: number): Promise<void>;
  setStaleness(options: StalenessOptions): void;
  pause(options: PauseOptions): Promise<number>;
  resume(): void;
  openAttempt(claim: OpenClaim): Promise<Parameters<typeof endpointToJson>[0]>;
  answerTo(rolloutId: string, attemptId: string, names: ModelNames): void;
  closeAttempt(rolloutId: string, attemptId: string): Promise<void>;
}

/** Checks that a request has the admin key. @throws {ReplyError} `unauthorized` without the admin key; `forbidden` when none is configured */
export function checkAdminKey(adminKey: string | undefined, request: IncomingMessage): void {
  if (adminKey === undefined)
    throw new ReplyError('no adminKey is configured, and without one these routes are closed', { code: 'forbidden' });
  if (!isKey(presentedKey(request.headers), hashKey(adminKey)))
    throw new ReplyError('the admin key is missing or wrong', { code: 'unauthorized' });
}

async function bodyOf(request: IncomingMessage, limits: BodyLimits): Promise<JsonObject> {
  const isEmpty =
    (request.headers['content-length'] ?? '0') === '0' && request.headers['transfer-encoding'] === undefined;
  return isEmpty ? {} : (await readJsonBody(request, limits)).body;
}

async function pause(surface: AdminSurface, body: JsonObject): Promise<JsonObject> {
  const drainMs = integerField(body, 'drain_ms', 0, 2_147_483_647);
  const retryAfterSeconds = integerField(body, 'retry_after_seconds', 1, 86_400);
  const inFlight = await surface.pause({
    ...(drainMs === undefined ? {} : { drainMs }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
  return { paused: true, in_flight: inFlight };
}

/** Sends callers to policies; a caller that matches none gets a model of a configured upstream, where one is given. */
function sendCallers(surface: AdminSurface, body: JsonObject): JsonObject {
  const policies = readPatterns(body);
  const otherwise = present(body, 'otherwise');
  if (otherwise === undefined) {
    surface.route({ policies });
    return { routed: policies.length };
  }
  const name = isObject(otherwise) ? present(otherwise, 'name') : undefined;
  if (typeof name !== 'string') throw invalidField('otherwise.name', 'must be the name of a model');
  const accept = (_: string, snapshot: PolicySnapshot): void =>
    surface.route({ policies, otherwise: { name, snapshot } });
  publish({ upstreams: surface.upstreams, publish: accept }, name, otherwise as JsonObject);
  return { routed: policies.length };
}

/** Publishes to a configured upstream: no request names an address. */
function publish(surface: Pick<AdminSurface, 'upstreams' | 'publish'>, policy: string, body: JsonObject): JsonObject {
  const name = present(body, 'upstream');
  const known = Object.keys(surface.upstreams);
  if (typeof name !== 'string' || !known.includes(name))
    throw invalidField('upstream', `must be a configured upstream; there are: ${known.join(', ') || 'none'}`);
  const model = present(body, 'model');
  if (typeof model !== 'string' || model === '') throw invalidField('model', 'must be what the upstream calls it');
  const version = countField(body, 'version');
  surface.publish(policy, { kind: 'openai', version, model, ...(surface.upstreams[name] as UpstreamServers) });
  return { policy, version };
}

/** Waits for a version to be drained, and tells whether it was before the time was up. */
async function drained(surface: AdminSurface, policy: string, body: JsonObject): Promise<JsonObject> {
  const version = countField(body, 'version');
  const timeoutMs = integerField(body, 'timeout_ms', 0, 600_000) ?? 30_000;
  const isDrained = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs, false).unref();
    void surface.drained(policy, version).then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
  return { policy, version, drained: isDrained };
}

/** Answers the operator's requests under `/admin`. @throws {ReplyError} */
export async function answerAdmin(
  surface: AdminSurface,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!surface.isAdmitted) checkAdminKey(surface.adminKey, request);
  surface.trust(request);
  response.setHeader(instanceHeader, surface.instance);
  const [route = '', ...rest] = path.slice('/admin/'.length).split('/').map(decodeSegment);
  const method = request.method ?? '';
  const reply = (body: JsonObject): void => new ReplyWriter(response).json(body);
  if (route === 'pause' && rest.length === 0) {
    expectMethod(request, 'POST');
    return reply(await pause(surface, await bodyOf(request, surface.limits)));
  }
  if (route === 'resume' && rest.length === 0) {
    expectMethod(request, 'POST');
    surface.resume();
    return reply({ paused: false });
  }
  if (route === 'routes' && rest.length === 0) {
    expectMethod(request, 'POST');
    return reply(sendCallers(surface, await bodyOf(request, surface.limits)));
  }
  if (route === 'policies' && rest.length === 0) {
    expectMethod(request, 'GET');
    return reply({ models: modelsToJson(surface.list()) });
  }
  if (route === 'policies' && rest.length === 1) {
    expectMethod(request, 'POST');
    return reply(publish(surface, rest[0] ?? '', await bodyOf(request, surface.limits)));
  }
  if (route === 'policies' && rest.length === 2 && rest[1] === 'drained') {
    expectMethod(request, 'POST');
    return reply(await drained(surface, rest[0] ?? '', await bodyOf(request, surface.limits)));
  }
  if (route === 'staleness' && rest.length === 0) {
    expectMethod(request, 'POST');
    const options = readStaleness(await bodyOf(request, surface.limits));
    surface.setStaleness(options);
    return reply(stalenessToJson(options));
  }
  if (route === 'attempts' && rest.length === 0 && method === 'GET') {
    return reply({
      attempts: surface.openAttempts().map(({ rolloutId, attemptId, inFlight }) => ({
        rollout_id: rolloutId,
        attempt_id: attemptId,
        in_flight: inFlight,
      })),
    });
  }
  if (route === 'attempts' && rest.length === 0) {
    expectMethod(request, 'POST');
    const claim = readClaim(await bodyOf(request, surface.limits));
    return reply(endpointToJson(await surface.openAttempt(claim)));
  }
  if (route === 'attempts' && rest.length === 2) {
    expectMethod(request, 'DELETE');
    await surface.closeAttempt(rest[0] ?? '', rest[1] ?? '');
    return reply({ closed: true });
  }
  if (route === 'attempts' && rest.length === 3 && rest[2] === 'answers-to') {
    expectMethod(request, 'POST');
    const names = readModelNames(await bodyOf(request, surface.limits));
    surface.answerTo(rest[0] ?? '', rest[1] ?? '', names);
    return reply({ names: names.length });
  }
  throw unknownPath(
    path,
    '/admin/pause, /admin/resume, /admin/staleness, /admin/routes, /admin/policies and /admin/attempts',
  );
}
