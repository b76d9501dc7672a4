import { dirname, resolve } from 'node:path';
import { check, ConfigurationError } from '@agent-lightning/core';
import { parse } from 'yaml';
import type { ClusterAccess } from './cluster-access.ts';
import { createIdentify } from './identify.ts';
import { readNamed, readPem, type KubeconfigCluster, type KubeconfigUser } from './kubeconfig-parts.ts';

interface KubeconfigContext {
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
}

/** One named entry, and the folder of the file that it is in, from which its paths count. */
interface Entry<Value> {
  readonly value: Value;
  readonly folder: string;
}

/** Holds what several files say together: the first that says something counts. */
interface MergedConfig {
  currentContext: string | undefined;
  readonly contexts: Map<string, Entry<KubeconfigContext>>;
  readonly clusters: Map<string, Entry<KubeconfigCluster>>;
  readonly users: Map<string, Entry<KubeconfigUser>>;
}

/** Returns the access that a context of kubeconfig files gives. @throws {ConfigurationError} `option-invalid` | `option-unsupported` */
export async function readKubeconfig(paths: readonly string[], context: string | undefined): Promise<ClusterAccess> {
  const merged: MergedConfig = {
    currentContext: undefined,
    contexts: new Map(),
    clusters: new Map(),
    users: new Map(),
  };
  for (const path of paths) mergeFile(merged, path, await readConfig(path));
  const source = paths.join(', ');
  const name = context ?? merged.currentContext;
  if (name === undefined || name === '')
    throw check.optionInvalid('runJob: context', 'undefined', `given, for ${source} has no current-context`);
  const chosen = find(merged.contexts, 'context', name, source).value;
  const cluster = find(merged.clusters, 'cluster', chosen.cluster ?? '', source);
  const user = find(merged.users, 'user', chosen.user ?? '', source);
  return await createAccess(cluster, user, chosen.namespace, `the context "${name}" of ${source}`);
}

async function createAccess(
  cluster: Entry<KubeconfigCluster>,
  user: Entry<KubeconfigUser>,
  namespace: string | undefined,
  source: string,
): Promise<ClusterAccess> {
  const { value, folder } = cluster;
  const server = URL.parse(value.server ?? '');
  if (server === null || !/^https?:$/.test(server.protocol))
    throw check.optionInvalid(`runJob: server of ${source}`, String(value.server), 'an http or https address');
  if (value['proxy-url'] !== undefined)
    throw new ConfigurationError(
      `runJob: ${source} has a proxy-url, and runJob asks the API server directly; leave it out, or run "kubectl proxy" and give a kubeconfig whose server is http://127.0.0.1:8001`,
      { code: 'option-unsupported' },
    );
  const authority = await readPem(value['certificate-authority-data'], value['certificate-authority'], folder);
  return {
    server,
    authority,
    serverName: value['tls-server-name'],
    verifies: value['insecure-skip-tls-verify'] !== true,
    identify: await createIdentify(user.value, user.folder, withAuthority(value, authority), source),
    headers: impersonation(user.value),
    namespace,
    source,
  };
}

/** Returns a cluster as a program is told it: with its certificates in it. */
function withAuthority(cluster: KubeconfigCluster, authority: string | undefined): KubeconfigCluster {
  const { 'certificate-authority': _path, ...told } = cluster;
  return authority === undefined
    ? told
    : { ...told, 'certificate-authority-data': Buffer.from(authority).toString('base64') };
}

function impersonation(user: KubeconfigUser): ClusterAccess['headers'] {
  return {
    ...(user.as !== undefined && { 'impersonate-user': user.as }),
    ...(user['as-uid'] !== undefined && { 'impersonate-uid': user['as-uid'] }),
    ...(user['as-groups'] !== undefined && { 'impersonate-group': [...user['as-groups']] }),
  };
}

async function readConfig(path: string): Promise<Record<string, unknown>> {
  const text = await readNamed(path);
  try {
    const config: unknown = parse(text);
    if (typeof config === 'object' && config !== null) return config as Record<string, unknown>;
  } catch {
    // The parser's message repeats lines, which may hold a key.
  }
  throw check.optionInvalid('runJob: kubeconfig', path, 'a YAML or JSON file of a kubeconfig');
}

function mergeFile(merged: MergedConfig, path: string, config: Record<string, unknown>): void {
  merged.currentContext ??= (config['current-context'] as string | undefined) || undefined;
  const folder = dirname(resolve(path));
  const add = <Value>(into: Map<string, Entry<Value>>, list: unknown, kind: string): void => {
    for (const entry of Array.isArray(list) ? (list as Record<string, unknown>[]) : [])
      if (typeof entry['name'] === 'string' && !into.has(entry['name']))
        into.set(entry['name'], { value: (entry[kind] ?? {}) as Value, folder });
  };
  add(merged.contexts, config['contexts'], 'context');
  add(merged.clusters, config['clusters'], 'cluster');
  add(merged.users, config['users'], 'user');
}

function find<Value>(entries: Map<string, Entry<Value>>, kind: string, name: string, source: string): Entry<Value> {
  const entry = entries.get(name);
  if (entry !== undefined) return entry;
  throw check.optionInvalid(
    `runJob: ${kind}`,
    JSON.stringify(name),
    `one that ${source} has: ${[...entries.keys()].join(', ') || '(none)'}`,
  );
}
