/** A page that is seen or hidden, as `document` is. */
export interface SeenPage extends EventTarget {
  readonly visibilityState: string;
}

/** A stream of events, as an `EventSource` is. */
export interface EventStream extends EventTarget {
  close(): void;
}

/**
 * Holds a stream of events open while the page is seen; returns the function that ends it. A browser opens six connections to a server at
 * most, for all of its tabs together: those that nobody sees leave theirs to the others.
 * @param onMissed is called when a stream is open after a time without one
 */
export function followWhileSeen(page: SeenPage, open: () => EventStream, onMissed: () => void): () => void {
  let stream: EventStream | undefined;
  let hasMissed = false;
  const begin = (): EventStream => {
    const begun = open();
    begun.addEventListener('open', () => {
      if (hasMissed) onMissed();
      hasMissed = true; // from now on until it is open again, which a browser sees to by itself
    });
    return begun;
  };
  const follow = (): void => {
    if (page.visibilityState === 'visible') {
      stream ??= begin();
      return;
    }
    stream?.close();
    stream = undefined;
    hasMissed = true;
  };
  page.addEventListener('visibilitychange', follow);
  follow();
  return () => {
    page.removeEventListener('visibilitychange', follow);
    stream?.close();
  };
}
