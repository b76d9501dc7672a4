import { appendFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** Says which program ran an agent: a runner that writes down every acknowledgement, or the command `agent-lightning runner` as users have it. */
export type SiegeRunner = 'runner' | 'command';

/** What a process writes down in the moment in which the server has acknowledged it. */
export type SiegeEntry =
  | { readonly type: 'enqueued'; readonly rolloutIds: readonly string[] }
  | {
      readonly type: 'appended';
      readonly rolloutId: string;
      readonly attemptId: string;
      readonly spanIds: readonly string[];
    }
  | {
      readonly type: 'earned';
      readonly rolloutId: string;
      readonly attemptId: string;
      readonly reward: number;
      readonly runner: SiegeRunner;
    }
  | { readonly type: 'completed'; readonly rolloutId: string; readonly attemptId: string };

/** Appends an entry; a process that is killed now leaves at most a line that is cut off. */
export function writeEntry(ledger: string, entry: SiegeEntry): void {
  appendFileSync(ledger, `${JSON.stringify(entry)}\n`);
}

/** Reads a ledger without lines that a kill cut off. */
export async function readEntries(ledger: string): Promise<readonly SiegeEntry[]> {
  const lines = (await readFile(ledger, 'utf8')).split('\n');
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as SiegeEntry];
    } catch {
      return [];
    }
  });
}
