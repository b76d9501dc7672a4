import { rm } from 'node:fs/promises';
import type { RunDirectory, Session } from '@agent-lightning/run';

/** The file of a run directory by which a dashboard finds what works on the run now. */
const fileName = 'live.json';

/** Tells who watches a run where its gateway is. */
export async function tellWatchers<Task>(directory: RunDirectory, session: Session<Task>): Promise<void> {
  const { gatewayUrl } = session;
  await directory.writeFile(`${JSON.stringify({ gatewayUrl, pid: process.pid })}\n`, fileName);
}

/** Takes away what {@link tellWatchers} told, when a run ends. */
export async function stopTelling(directory: RunDirectory): Promise<void> {
  // A file that stays tells nothing wrong: who watches sees by the lock that nobody trains.
  await rm(directory.file(fileName), { force: true }).catch(() => undefined);
}
