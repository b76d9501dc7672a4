/** Saves an adapter as files of the training server, for an inference server beside it. */
import { deleteCheckpoint } from './server-checkpoints.ts';
import { malformed, type TinkerClient } from './tinker-client.ts';
import type { TinkerModel } from './tinker-model.ts';

export interface SavedAdapter {
  /** The directory that the server wrote; undefined where it writes none, or every weight trains. */
  readonly directory: string | undefined;
  /** Deletes the files on the server. */
  discard(): Promise<void>;
}

/** Saves a model's weights as they are now, under a new name. */
export async function saveAdapter(client: TinkerClient, model: TinkerModel): Promise<SavedAdapter> {
  const route = 'save_weights_for_sampler';
  const { path, adapter_directory: directory } = await model.save(route, (name) => ({ path: name, type: route }));
  if (typeof path !== 'string') throw malformed(route, 'path');
  return {
    directory: typeof directory === 'string' ? directory : undefined,
    discard: () => deleteCheckpoint(client, path),
  };
}
