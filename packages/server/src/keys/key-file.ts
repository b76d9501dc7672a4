import { readFileSync, statSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { ConfigurationError } from '@agent-lightning/core';
import { writeFileAtomically } from '@agent-lightning/platform';
import { roles, type Role } from './caller.ts';

/** One key as it is kept: never the key itself. */
export interface KeyRecord {
  /** Names the key for people, logs and `revoke`. */
  readonly id: string;
  readonly role: Exclude<Role, 'agent'>;
  /** The SHA-256 of the key, in hex. */
  readonly hash: string;
  /** Says who has the key, such as `runner on gpu-2`. */
  readonly label?: string;
  readonly createdAtMs: number;
  /** @default never */
  readonly expiresAtMs?: number;
}

/** The content of a key file. */
export interface KeyFile {
  readonly keys: readonly KeyRecord[];
  /** Signs the keys of agents; 256 bits in base64url. */
  readonly agentSecret: string;
}

/** Returns the content of a key file that has no keys yet. */
export function emptyKeyFile(): KeyFile {
  return { keys: [], agentSecret: randomBytes(32).toString('base64url') };
}

/** Returns a mark that changes whenever the file does, or undefined when there is none. */
export function markOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.ino} ${found.mtimeMs} ${found.size}`;
}

/** Reads a key file. @throws {ConfigurationError} `option-invalid` that says what is wrong with it */
export function readKeyFile(path: string): KeyFile {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw invalid(path, `cannot be read as JSON: ${(cause as Error).message.slice(0, 200)}`, cause);
  }
  const { keys, agentSecret } = (value ?? {}) as Partial<KeyFile>;
  if (!Array.isArray(keys) || !keys.every(isRecord))
    throw invalid(path, 'must have a list `keys` of id, role and hash');
  if (typeof agentSecret !== 'string' || Buffer.from(agentSecret, 'base64url').length < 32)
    throw invalid(path, 'must have an `agentSecret` of 256 bits in base64url');
  return { keys, agentSecret };
}

/** Writes a key file, whole or not at all, readable by its owner alone. @throws {ConfigurationError} `option-invalid` when it cannot */
export async function writeKeyFile(path: string, content: KeyFile): Promise<void> {
  try {
    await writeFileAtomically(path, `${JSON.stringify(content, undefined, 2)}\n`, 0o600);
  } catch (cause) {
    throw new ConfigurationError(`the key file ${path} cannot be written: ${(cause as Error).message}`, {
      code: 'option-invalid',
      cause,
    });
  }
}

function isRecord(value: unknown): value is KeyRecord {
  const { id, role, hash, expiresAtMs } = (value ?? {}) as Partial<KeyRecord>;
  return (
    typeof id === 'string' &&
    typeof hash === 'string' &&
    /^[0-9a-f]{64}$/u.test(hash) &&
    role !== undefined &&
    roles.includes(role) &&
    (role as Role) !== 'agent' &&
    (expiresAtMs === undefined || Number.isFinite(expiresAtMs))
  );
}

function invalid(path: string, problem: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(`the key file ${path} ${problem}; make one with agent-lightning keys add`, {
    code: 'option-invalid',
    cause,
  });
}
