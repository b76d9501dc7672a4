import { rename as renamePath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { backOffMs } from './back-off.ts';

/** Replaces parts of the machine in tests. */
export interface MoveOptions {
  /** @default this machine's */
  readonly platform?: NodeJS.Platform;
  /** @default Node's */
  readonly rename?: (from: string, to: string) => Promise<void>;
  /** Waits for a number of milliseconds. @default by a timer */
  readonly pause?: (ms: number) => Promise<unknown>;
}

/** The codes with which Windows rejects a rename while a program has one of the files open. */
const openElsewhere: ReadonlySet<string | undefined> = new Set(['EPERM', 'EACCES', 'EBUSY']);

/** With these waits a move is given up after 5 to 10 seconds. */
const tries = 14;
const waits = { firstMs: 10, longestMs: 1_000 };

/**
 * Renames a file or a directory, over a file that is there. Windows rejects that while any program, such as a virus scanner or a viewer of
 * the report, has one of the files open, which is often for a moment only: there, it is tried again for some seconds.
 * @throws {Error} the system's own error
 */
export async function moveIntoPlace(
  from: string,
  to: string,
  { platform = process.platform, rename = renamePath, pause = sleep }: MoveOptions = {},
): Promise<void> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await rename(from, to);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (platform !== 'win32' || !openElsewhere.has(code) || failures === tries) throw error;
      await pause(backOffMs(failures, waits));
    }
  }
}
