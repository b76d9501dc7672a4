import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { ConfigurationError } from '@agent-lightning/core';
import type { ClusterAccess, Identity } from './cluster-access.ts';
import type { KubeconfigCluster } from './kubeconfig-parts.ts';

const execute = promisify(execFile);

/** A program that prints who the user is: `aws eks get-token`, `gke-gcloud-auth-plugin`, `kubelogin`. */
export interface CredentialPlugin {
  readonly apiVersion?: string;
  readonly command: string;
  readonly args?: readonly string[] | null;
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null;
  readonly interactiveMode?: 'Never' | 'IfAvailable' | 'Always';
  readonly provideClusterInfo?: boolean;
}

interface PluginAnswer {
  readonly identity: Identity;
  /** The moment at which it ends, milliseconds since 1970; Infinity when it says none. */
  readonly endsAt: number;
}

/** A program that takes longer than this has no answer. */
const answerLimitMs = 60_000;
/** An answer that ends within this time is not used any more. */
const marginMs = 10_000;

/** Returns what asks a program who the user is, once for all requests until its answer ends or the server does not take it. What it says is added to `fixed`. */
export function createPluginIdentify(
  plugin: CredentialPlugin,
  folder: string,
  cluster: KubeconfigCluster,
  source: string,
  fixed: Identity = {},
  limitMs: number = answerLimitMs,
): ClusterAccess['identify'] {
  let newest: Promise<PluginAnswer> | undefined;
  return async (rejected) => {
    const used = newest;
    const isOver = used !== undefined && isOverdue(await used, rejected);
    if (isOver && newest === used) newest = undefined;
    newest ??= runPlugin(plugin, folder, cluster, source, fixed, limitMs).catch((error: unknown) => {
      newest = undefined;
      throw error;
    });
    return (await newest).identity;
  };
}

/** Tells whether an answer is not to be used again. One that came after the rejected one is new to the server. */
function isOverdue({ identity, endsAt }: PluginAnswer, rejected: Identity | undefined): boolean {
  return identity === rejected || endsAt - marginMs <= Date.now();
}

async function runPlugin(
  plugin: CredentialPlugin,
  folder: string,
  cluster: KubeconfigCluster,
  source: string,
  fixed: Identity,
  limitMs: number,
): Promise<PluginAnswer> {
  const { command, args, env, apiVersion = 'client.authentication.k8s.io/v1' } = plugin;
  const refuse = (why: string): ConfigurationError =>
    new ConfigurationError(`runJob: the program "${command}" of ${source} ${why}`, { code: 'command-unavailable' });
  if (plugin.interactiveMode === 'Always') throw refuse('asks its user, and there is none here; use one that does not');
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(plugin.provideClusterInfo === true && { cluster }) },
  };
  // A path is one of the folder of the kubeconfig, a name is looked for on the PATH.
  const program = /[/\\]/.test(command) ? resolve(folder, command) : command;
  const own = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  const { stdout } = await execute(program, [...(args ?? [])], {
    env: { ...process.env, ...own, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
    timeout: limitMs,
    killSignal: 'SIGKILL',
  }).catch((error: PluginFailure) => {
    throw refuse(explainFailure(error, limitMs));
  });
  const answer = readAnswer(stdout, apiVersion, fixed);
  if (answer === undefined) throw refuse(`printed no ExecCredential of ${apiVersion} with a token or a certificate`);
  return answer;
}

type PluginFailure = Error & {
  /** Its exit code, or that of the error of its start; null when a signal ended it. */
  readonly code?: string | number | null;
  readonly killed?: boolean;
  readonly signal?: string | null;
  readonly stderr?: string;
};

function explainFailure({ code, killed, signal, stderr, message }: PluginFailure, limitMs: number): string {
  const said = stderr?.trim();
  if (code === 'ENOENT') return 'failed: it was not found';
  if (code !== null) return `failed: ${said || (typeof code === 'number' ? `exit code ${code}` : message)}`;
  const how = killed === true ? `had no answer within ${limitMs} ms, and was ended` : `was ended by ${signal}`;
  return said ? `${how}: ${said}` : how;
}

function readAnswer(stdout: string, apiVersion: string, fixed: Identity): PluginAnswer | undefined {
  let printed: { readonly apiVersion?: string; readonly status?: Record<string, string> } | null;
  try {
    printed = JSON.parse(stdout) as typeof printed;
  } catch {
    return undefined;
  }
  const { token, clientCertificateData: certificate, clientKeyData: key, expirationTimestamp } = printed?.status ?? {};
  const isWhole = token !== undefined || (certificate !== undefined && key !== undefined);
  if (printed?.apiVersion !== apiVersion || !isWhole) return undefined;
  const endsAt = expirationTimestamp === undefined ? Infinity : Date.parse(expirationTimestamp);
  return {
    identity: {
      ...fixed,
      ...(token !== undefined && { token }),
      ...(certificate !== undefined && key !== undefined && { certificate, key }),
    },
    endsAt,
  };
}
