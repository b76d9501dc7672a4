import { deserialize, serialize } from 'node:v8';

/** A call of the learner, as it goes from the trainer's process to the worker's. */
export interface LearnerCall {
  /** The policy's session; a worker that was started again knows none of before. */
  readonly session: string;
  readonly method: 'create' | 'forward' | 'forwardBackward' | 'optimStep' | 'publish' | 'saveState' | 'loadState';
  readonly given: readonly unknown[];
}

/** Returns a value as JSON that keeps its typed arrays to the bit. */
export function pack(value: unknown): { readonly data: string } {
  return { data: serialize(value).toString('base64') };
}

export function unpack(packed: unknown): unknown {
  return deserialize(Buffer.from((packed as { readonly data: string }).data, 'base64'));
}
