import type { ServerResponse } from 'node:http';
import type { RunShelf } from '../runs/run-shelf.ts';

/** The time between two looks at the files of a run, and the one after which a quiet stream shows that it lives. */
const lookMs = 1_000;
const aliveMs = 15_000;

/**
 * Tells a page by server-sent events what has changed: `run` when the files of the run changed, `rollouts` when its rollouts did. The
 * page then asks for what it shows. Without a run, `runs` is sent when the list of runs changed.
 */
export function streamEvents(shelf: RunShelf, run: string | null, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  if (response.req.method === 'HEAD') {
    response.end(); // it has no body, and so nothing that would go on
    return;
  }
  response.write('retry: 2000\n\n');
  const told = new Map<string, string>();
  let isLooking = false;
  const tell = (type: string, state: string): void => {
    if (told.get(type) === state) return;
    const isFirst = !told.has(type);
    told.set(type, state);
    if (!isFirst) response.write(`event: ${type}\ndata: ${JSON.stringify({ type })}\n\n`);
  };
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    try {
      for (const [type, state] of await readStates(shelf, run)) tell(type, state);
    } catch {
      response.end(); // the page asks again, and is told what is wrong
    } finally {
      isLooking = false;
    }
  };
  const looking = setInterval(() => void look(), lookMs);
  const living = setInterval(() => response.write(': alive\n\n'), aliveMs);
  response.once('close', () => {
    clearInterval(looking);
    clearInterval(living);
  });
  void look();
}

/** Reads what the stream compares from one look to the next. */
async function readStates(
  shelf: RunShelf,
  run: string | null,
): Promise<readonly (readonly [type: string, state: string])[]> {
  if (run === null) return [['runs', await shelf.mark(null)]];
  const rollouts = await shelf.rollouts(run);
  await rollouts?.index.lookForLateRewards();
  const notes = (await (await shelf.files(run))?.notes.mark()) ?? '';
  return [
    ['run', await shelf.mark(run)],
    ...(rollouts === undefined
      ? []
      : ([['rollouts', `${rollouts.index.serial} ${rollouts.index.version} ${notes}`]] as const)),
  ];
}
