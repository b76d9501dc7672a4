/** Finds the directory in which this project keeps what it can make or download again. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * Returns AGENT_LIGHTNING_CACHE where it is set, else the folder `agent-lightning` of the user's caches: `$XDG_CACHE_HOME` or `~/.cache`,
 * `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows. Makes nothing.
 */
export function findCacheDirectory(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  const own = environment['AGENT_LIGHTNING_CACHE'];
  if (own !== undefined && own !== '') return resolve(own);
  return join(findUserCaches(environment, platform, home), 'agent-lightning');
}

function findUserCaches(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform, home: string): string {
  if (platform === 'darwin') return join(home, 'Library', 'Caches');
  const name = platform === 'win32' ? 'LOCALAPPDATA' : 'XDG_CACHE_HOME';
  const given = environment[name];
  if (given !== undefined && given !== '') return resolve(given);
  return platform === 'win32' ? join(home, 'AppData', 'Local') : join(home, '.cache');
}
