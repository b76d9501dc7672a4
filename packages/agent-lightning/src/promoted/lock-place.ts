import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { ConfigurationError } from '@agent-lightning/core';
import { findCacheDirectory, systemClock } from '@agent-lightning/platform';
import type { PromptPlace } from './prompt-place.ts';

/**
 * The wait before a place is tried again, and the longest time that another command may have it. SQLite's own wait would stop this thread, and with it
 * a command in this process that has the place.
 */
const everyMs = 20;
const longestMs = 10_000;

/**
 * Does work while no other command of this user on this machine changes the prompts of a directory; another one waits for its turn. The operating system frees the lock when
 * this process ends, however it ends. A store orders promotions by itself.
 * @throws {ConfigurationError} `option-invalid` when another command has the directory for ten seconds, or no lock can be made in the user's caches
 */
export async function lockPlace<Result>(
  place: PromptPlace,
  environment: NodeJS.ProcessEnv,
  work: () => Promise<Result>,
): Promise<Result> {
  if (place.kind === 'store') return await work();
  const database = await openLock(place.path, await makeLockFolder(environment));
  try {
    return await work();
  } finally {
    database.close();
  }
}

/** Makes the folder of the locks, which is outside of the directories, since users commit those, and the same in every shell of this user. */
async function makeLockFolder(environment: NodeJS.ProcessEnv): Promise<string> {
  const folder = join(findCacheDirectory(environment), 'locks');
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new ConfigurationError(
      `the folder ${folder} for locks cannot be made: ${String(error)}; name another place for caches in AGENT_LIGHTNING_CACHE`,
      { code: 'option-invalid', cause: error },
    );
  }
  return folder;
}

async function openLock(path: string, folder: string): Promise<DatabaseSync> {
  // The directory itself may come to be only now.
  const parent = dirname(path);
  const real = existsSync(parent) ? join(realpathSync(parent), basename(path)) : path;
  const { DatabaseSync: Database } = await import('node:sqlite');
  const database = new Database(join(folder, `prompts-${digest(real).slice(0, 32)}.lock`));
  const startedAtMs = systemClock.now();
  for (;;) {
    try {
      database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
      return database;
    } catch (error) {
      const isTaken = error instanceof Error && /locked|busy/i.test(error.message);
      if (isTaken && systemClock.now() - startedAtMs < longestMs) {
        await systemClock.wait(everyMs, new AbortController().signal);
        continue;
      }
      database.close();
      if (!isTaken) throw error;
      throw new ConfigurationError(
        `another command has been changing the prompts in ${path} for ${longestMs / 1_000} s; run this one again when it has ended`,
        {
          code: 'option-invalid',
          cause: error,
        },
      );
    }
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
