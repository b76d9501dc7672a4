import { signal } from '@preact/signals';
import type { Access } from '../../src/api.ts';
import { snapshot } from './snapshot/snapshot.ts';

/** Tells whether the reader may write notes; undefined while it is not known. */
export const canWrite = signal<boolean | undefined>(undefined);

/** The name under which the browser keeps the key for this tab. */
const keptName = 'admin-key';

/** Takes the admin key from the address, such as `/#key=…`, out of which it is removed, and asks whether it is the right one. */
export async function takeKey(): Promise<void> {
  if (snapshot !== undefined) return void (canWrite.value = false); // nothing can be written into a file
  const given = new URLSearchParams(location.hash.slice(1)).get('key');
  if (given !== null) {
    sessionStorage.setItem(keptName, given);
    history.replaceState(null, '', location.pathname + location.search);
  }
  const key = readKey();
  if (key === null) canWrite.value = false;
  else
    canWrite.value = await fetch('/api/access', { headers: { authorization: `Bearer ${key}` } })
      .then(async (response) => ((await response.json()) as Access).canWrite)
      .catch(() => false);
}

/** Returns the key of this tab; null where it has none. */
export function readKey(): string | null {
  return sessionStorage.getItem(keptName);
}
