/** What a server keeps under a `tinker://` path. */
import { BackendError, LightningError } from '@agent-lightning/core';
import type { TinkerClient } from './tinker-client.ts';

export interface CheckpointPath {
  readonly modelId: string;
  readonly kind: 'weights' | 'sampler_weights';
  readonly name: string;
}

/** Reads `tinker://<model>/<kind>/<name>`, or SkyRL's `tinker://<model>/<name>` of sampler weights. */
export function parseCheckpointPath(path: string): CheckpointPath {
  const [modelId, ...rest] = path.replace(/^tinker:\/\//, '').split('/');
  const [kind, name] = rest.length === 1 ? ['sampler_weights', rest[0]] : rest;
  const isKnown = (kind === 'weights' || kind === 'sampler_weights') && rest.length <= 2;
  if (path.startsWith('tinker://') && modelId && name && isKnown) return { modelId, kind, name };
  throw new BackendError(`'${path}' is no path of a checkpoint; expected tinker://<model>/weights/<name>.`, {
    code: 'checkpoint-corrupt',
  });
}

/** Deletes a checkpoint; one that is already gone is fine. */
export async function deleteCheckpoint(client: TinkerClient, path: string): Promise<void> {
  const { modelId, kind, name } = parseCheckpointPath(path);
  const route = `/api/v1/training_runs/${encodeURIComponent(modelId)}/checkpoints/${kind}/${encodeURIComponent(name)}`;
  try {
    await client.call('DELETE', route, undefined, { what: `deleting ${path}`, missing: 'not-found' });
  } catch (error) {
    if (!LightningError.isInstance(error) || error.code !== 'not-found') throw error;
  }
}
