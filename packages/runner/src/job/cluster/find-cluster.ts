import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { check, ConfigurationError } from '@agent-lightning/core';
import type { ClusterAccess } from './cluster-access.ts';
import { readKubeconfig } from './kubeconfig.ts';
import { readServiceAccount } from './service-account.ts';

/** Says which cluster to use. */
export interface ClusterChoice {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

/** Holds where a cluster is looked for besides the options. */
export interface ClusterPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** The folder in which a pod finds its service account. */
  readonly serviceAccount: string;
}

const usualPlaces = (): ClusterPlaces => ({
  env: process.env,
  home: homedir(),
  serviceAccount: '/var/run/secrets/kubernetes.io/serviceaccount',
});

/**
 * Finds the cluster as `kubectl` does: the given kubeconfig, those of `KUBECONFIG`, `~/.kube/config`, or the service account of the pod that
 * this process runs in. A `KUBECONFIG` of which no file is there is an error.
 * @throws {ConfigurationError} `option-invalid` | `option-unsupported`
 */
export async function findCluster(
  { kubeconfig, context }: ClusterChoice,
  places: ClusterPlaces = usualPlaces(),
): Promise<ClusterAccess> {
  const { env, home, serviceAccount } = places;
  if (kubeconfig !== undefined) return await readKubeconfig([kubeconfig], context);
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  const usual = join(home, '.kube', 'config');
  const files = (listed.length > 0 ? listed : [usual]).filter((path) => existsSync(path));
  if (files.length > 0) return await readKubeconfig(files, context);
  // Any other cluster is not the one that was named.
  if (listed.length > 0)
    throw check.optionInvalid(
      'runJob: KUBECONFIG',
      listed.join(delimiter),
      'the path of a file that is there, or unset',
    );
  const inside = await readServiceAccount(env, serviceAccount);
  if (inside !== undefined && context === undefined) return inside;
  throw new ConfigurationError(
    `runJob: no cluster was found: there is no kubeconfig (${usual})${context === undefined ? ', and this process is in no pod with a service account' : ` with the context "${context}"`}; ` +
      'give kubeconfig: the path of one, or set KUBECONFIG',
    { code: 'option-invalid' },
  );
}
