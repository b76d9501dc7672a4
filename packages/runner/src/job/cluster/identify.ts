import { resolve } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import type { ClusterAccess, Identity } from './cluster-access.ts';
import { createPluginIdentify } from './credential-plugin.ts';
import { readNamed, readPem, type KubeconfigCluster, type KubeconfigUser } from './kubeconfig-parts.ts';

/** Fields of a user that say how to log in and that are not read: going on without them would ask as somebody else. */
const notRead = ['username', 'password', 'auth-provider', 'as-user-extra'] as const;

/** Returns what tells a cluster who a kubeconfig's user is. @throws {ConfigurationError} `option-unsupported` | `option-invalid` */
export async function createIdentify(
  user: KubeconfigUser,
  folder: string,
  cluster: KubeconfigCluster,
  source: string,
): Promise<ClusterAccess['identify']> {
  const bad = notRead.find((name) => name in user);
  if (bad !== undefined)
    throw new ConfigurationError(
      `runJob: the user of ${source} has "${bad}", which runJob does not read; use a token, tokenFile, a client certificate or exec`,
      { code: 'option-unsupported' },
    );
  const certificate = await readPem(user['client-certificate-data'], user['client-certificate'], folder);
  const key = await readPem(user['client-key-data'], user['client-key'], folder);
  const fixed: Identity = {
    ...(certificate !== undefined && key !== undefined && { certificate, key }),
    ...(user.token !== undefined && user.token !== '' && { token: user.token }),
  };
  if (user.exec !== undefined) return createPluginIdentify(user.exec, folder, cluster, source, fixed);
  const { tokenFile } = user;
  // As kubectl, a file wins over a token beside it: the file is the one that is renewed.
  if (tokenFile === undefined || tokenFile === '') return async () => fixed;
  return async () => ({ ...fixed, token: (await readNamed(resolve(folder, tokenFile))).trim() });
}
