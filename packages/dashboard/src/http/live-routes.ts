import { readGateway } from '../live/read-gateway.ts';
import { readLive } from '../live/read-live.ts';
import type { LiveGateway, LiveState } from '../live/shapes.ts';
import { isTraining } from '../runs/is-training.ts';
import type { RunFiles } from '../runs/run-files.ts';
import type { RunShelf } from '../runs/run-shelf.ts';
import { route, type Route } from './route.ts';

/** The time that a gateway may take for all of its replies: it is on this machine, and a page waits. */
const patienceMs = 1_500;

/** Makes the route that tells what works on a run at this moment. */
export function liveRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route('/api/runs/:run/live', {}, async ({ run }): Promise<LiveState | undefined> => {
      const rollouts = await shelf.rollouts(run!);
      if (rollouts === undefined) return undefined;
      const gateway = findGateway(await shelf.files(run!)); // it may hang, so the store is read meanwhile
      return await readLive(rollouts, gateway, Date.now());
    }),
  ];
}

async function findGateway(files: RunFiles | undefined): Promise<LiveGateway> {
  if (files === undefined)
    return { isReached: false, reason: 'A store alone does not tell which gateway writes to it.' };
  if (!isTraining(files.directory)) return { isReached: false, reason: 'No process trains in the run directory.' };
  return await readGateway(await files.gatewayUrl(), AbortSignal.timeout(patienceMs));
}
