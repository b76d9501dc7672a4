/** Names and deletes the checkpoints that a server keeps under `tinker://` paths. */
import { BackendError, LightningError } from '@agent-lightning/core';
import type { TinkerClient } from './tinker-client.ts';

export interface CheckpointPath {
  readonly modelId: string;
  readonly kind: 'weights' | 'sampler_weights' | 'exports';
  readonly name: string;
}

/** Reads `tinker://<model>/<kind>/<name>`, or SkyRL's `tinker://<model>/<name>` of sampler weights. */
export function parseCheckpointPath(path: string): CheckpointPath {
  const [modelId, ...rest] = path.replace(/^tinker:\/\//, '').split('/');
  const [kind, name] = rest.length === 1 ? ['sampler_weights', rest[0]] : rest;
  const isKnown = (kind === 'weights' || kind === 'sampler_weights' || kind === 'exports') && rest.length <= 2;
  if (path.startsWith('tinker://') && modelId && name && isKnown) return { modelId, kind, name };
  throw new BackendError(`'${path}' is no path of a checkpoint; expected tinker://<model>/weights/<name>.`, {
    code: 'checkpoint-corrupt',
  });
}

/** Returns the route of a checkpoint. */
export function checkpointRoute({ modelId, kind, name }: CheckpointPath): string {
  return `/api/v1/training_runs/${encodeURIComponent(modelId)}/checkpoints/${kind}/${encodeURIComponent(name)}`;
}

/**
 * Deletes a checkpoint; one that is already gone is fine.
 * @throws {BackendError} `option-unsupported` when the server cannot delete
 */
export async function deleteCheckpoint(client: TinkerClient, path: string): Promise<void> {
  const route = checkpointRoute(parseCheckpointPath(path));
  try {
    await client.call('DELETE', route, undefined, { what: `deleting ${path}`, missing: 'not-found' });
  } catch (error) {
    if (!LightningError.isInstance(error) || error.code !== 'not-found') throw error;
    if (!error.message.endsWith(': Not Found')) return;
    throw new BackendError('this server has no route that deletes a checkpoint', { code: 'option-unsupported' });
  }
}
