import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ErrorReply } from '../../src/api.ts';
import { answerFromSnapshot } from './snapshot/answer.ts';
import { snapshot } from './snapshot/snapshot.ts';
import { readKey } from './access.ts';
import { followWhileSeen } from './follow-while-seen.ts';
import { Repeater } from './repeater.ts';

/** Counts what the server told of: pages ask again when the number that they name grows. */
export const changes = { runs: signal(0), run: signal(0), rollouts: signal(0) };

/** Tells whether the server is heard. */
export const isConnected = signal(true);

/** Listens to the events of a run, or of the list of runs, while the page is seen; returns the function that ends it. */
export function listen(run: string | undefined): () => void {
  if (snapshot !== undefined) return () => undefined; // nothing changes in a file
  const open = (): EventSource => {
    const source = new EventSource(run === undefined ? '/api/events' : `/api/events?run=${encodeURIComponent(run)}`);
    for (const [name, change] of Object.entries(changes)) source.addEventListener(name, () => (change.value += 1));
    source.addEventListener('open', () => (isConnected.value = true));
    source.addEventListener('error', () => (isConnected.value = false));
    return source;
  };
  return followWhileSeen(document, open, () => {
    for (const change of Object.values(changes)) change.value += 1;
  });
}

/** Asks a route of the server, or the file that holds the run. @throws Error with the sentence that says what is wrong */
export async function ask<Reply>(path: string, signal?: AbortSignal): Promise<Reply> {
  if (snapshot !== undefined) return answerFromSnapshot(snapshot, path) as Reply;
  const response = await fetch(path, signal === undefined ? {} : { signal });
  const body = (await response.json()) as Reply | ErrorReply;
  if (!response.ok) throw new Error((body as ErrorReply).error.message);
  return body as Reply;
}

/** Writes something by the admin key of this tab. @throws Error with the sentence of the server */
export async function put(path: string, body: object): Promise<void> {
  const response = await fetch(path, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${readKey() ?? ''}` },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(((await response.json()) as ErrorReply).error.message);
}

/** What is known of a reply: nothing yet, the reply, or the sentence that says why there is none. */
export interface Resource<Reply> {
  readonly data?: Reply;
  readonly error?: string;
}

/**
 * Does some work for a key, and again when `change` is another one; work under way ends first, and only another key cuts it off.
 * @param work does not reject
 */
export function useRepeated(
  key: string | undefined,
  change: number | string,
  work: (signal: AbortSignal) => Promise<void>,
): void {
  const newest = useRef(work);
  newest.current = work;
  const repeater = useRef<Repeater | undefined>(undefined);
  useEffect(() => {
    if (key === undefined) return undefined;
    const own = new Repeater(async (signal) => await newest.current(signal));
    repeater.current = own;
    return () => {
      own.stop();
      repeater.current = undefined;
    };
  }, [key]);
  useEffect(() => repeater.current?.start(), [key, change]);
}

/** Asks a route, and again when `change` grows; what was known before stays until the new reply is there. */
export function useResource<Reply>(path: string | undefined, change: number = 0): Resource<Reply> {
  const [resource, setResource] = useState<Resource<Reply> & { readonly path?: string }>({});
  useRepeated(path, change, async (signal) => {
    try {
      setResource({ data: await ask<Reply>(path!, signal), path: path! });
    } catch (error) {
      if (!signal.aborted) setResource({ error: error instanceof Error ? error.message : String(error), path: path! });
    }
  });
  return resource.path === path ? resource : {};
}
