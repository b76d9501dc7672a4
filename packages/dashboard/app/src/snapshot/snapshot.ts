import type { Snapshot } from '../../../src/api.ts';

/** The run that is in this file; undefined where a server answers. */
export const snapshot: Snapshot | undefined = readSnapshot();

function readSnapshot(): Snapshot | undefined {
  const text = document.getElementById('snapshot')?.textContent;
  return text === undefined || text === '' ? undefined : (JSON.parse(text) as Snapshot);
}
