import { join } from 'node:path';
import type { ClusterAccess } from './cluster-access.ts';
import { readNamed } from './kubeconfig-parts.ts';
import { readIfThere } from './read-if-there.ts';

/** Returns the access of the pod that this process runs in; undefined outside of pods. Its token is read for each request, for it is replaced while it is valid. */
export async function readServiceAccount(
  env: Readonly<Record<string, string | undefined>>,
  folder: string,
): Promise<ClusterAccess | undefined> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  const tokenFile = join(folder, 'token');
  if (host === undefined || (await readIfThere(tokenFile)) === undefined) return undefined;
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    authority: await readIfThere(join(folder, 'ca.crt')),
    serverName: undefined,
    verifies: true,
    identify: async () => ({ token: (await readNamed(tokenFile, 'the service account', 'mount it again')).trim() }),
    headers: {},
    namespace: (await readIfThere(join(folder, 'namespace')))?.trim(),
    source: `the service account in ${folder}`,
  };
}
