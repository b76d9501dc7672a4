import type { IncomingMessage } from 'node:http';
import type { promptKit } from '@agent-lightning/tracing';
import { dialects } from '../dialects/dialects.ts';
import type { Dialect } from '../dialects/dialect.ts';
import { ReplyError } from '../http/reply-error.ts';
import { expectMethod, unknownPath } from '../http/routes.ts';
import type { KnownServer, KnownServers, OwnModels } from '../policies/own-models.ts';

type ModelRoute = Parameters<typeof promptKit.promptBody>[0]['route'];

/** The way that a request of an agent takes. */
export interface OwnRoute {
  readonly server: KnownServer;
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  /** The dialect of a model call, in whose body prompts stand; undefined for any other request. */
  readonly call: { readonly dialect: Dialect; readonly route: ModelRoute } | undefined;
}

/** Requests that are handed on beside model calls. What else a key opens, such as files and administration, agents are not given. */
const others: Readonly<Record<string, 'GET' | 'POST'>> = {
  '/embeddings': 'POST',
  '/moderations': 'POST',
  '/messages/count_tokens': 'POST',
  '/models': 'GET',
};

/**
 * Returns the way of a request. @param path after the attempt's `/v1`
 * @throws {ReplyError} `not-found` for a path that is not handed on; `option-invalid` where no server of its maker is configured
 */
export function findOwnRoute(servers: KnownServers, path: string, request: IncomingMessage): OwnRoute {
  const dialect = dialects.get(path);
  const method = dialect === undefined ? others[isModel(path) ? '/models' : path] : 'POST';
  if (method === undefined)
    throw unknownPath(path, `${[...dialects.keys(), ...Object.keys(others)].join(', ')}, which are handed on`);
  expectMethod(request, method);
  const maker: keyof OwnModels =
    path.startsWith('/messages') || request.headers['anthropic-version'] !== undefined ? 'anthropic' : 'openai';
  const server = servers[maker];
  if (server === undefined)
    throw new ReplyError(
      `the agent asks a model of ${maker}'s dialect, and no server of it is configured; give ownModels: { ${maker}: {} }`,
      { code: 'option-invalid', status: 404 },
    );
  const query = /\?.*$/su.exec(request.url ?? '')?.[0] ?? '';
  const url = new URL(`${server.baseUrl}${path}${query}`);
  const call = dialect === undefined ? undefined : { dialect, route: path.slice(1) as ModelRoute };
  return { server, url, method, call };
}

function isModel(path: string): boolean {
  return /^\/models\/[^/]+(?:\/[^/]+)*$/u.test(path);
}
