import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import type { CredentialPlugin } from './credential-plugin.ts';

/** The part of a kubeconfig's cluster that is read. */
export interface KubeconfigCluster {
  readonly server?: string;
  readonly 'certificate-authority'?: string;
  readonly 'certificate-authority-data'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  readonly 'tls-server-name'?: string;
  readonly 'proxy-url'?: string;
}

/** The part of a kubeconfig's user that is read. */
export interface KubeconfigUser {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly exec?: CredentialPlugin;
  readonly as?: string;
  readonly 'as-uid'?: string;
  readonly 'as-groups'?: readonly string[];
}

/** Returns PEM that is given as base64 or in a file. @throws {ConfigurationError} `option-invalid` when the file cannot be read */
export async function readPem(
  data: string | undefined,
  path: string | undefined,
  folder: string,
): Promise<string | undefined> {
  if (data !== undefined && data !== '') return Buffer.from(data, 'base64').toString();
  return path === undefined || path === '' ? undefined : await readNamed(resolve(folder, path));
}

/** Returns the text of a file that a kubeconfig is, or names, or that `whose` names. @throws {ConfigurationError} `option-invalid` */
export async function readNamed(
  path: string,
  whose = 'the kubeconfig',
  advice = 'give kubeconfig: a path that can',
): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new ConfigurationError(
      `runJob: ${path} of ${whose} cannot be read (${(cause as NodeJS.ErrnoException).code}); ${advice}`,
      { code: 'option-invalid', cause },
    );
  }
}
