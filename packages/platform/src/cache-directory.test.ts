import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { findCacheDirectory } from './cache-directory.ts';

const home = resolve('/home/anna');

it.each<[string, NodeJS.Platform, NodeJS.ProcessEnv, string]>([
  ['Linux', 'linux', {}, join(home, '.cache', 'agent-lightning')],
  ['Linux with XDG_CACHE_HOME', 'linux', { XDG_CACHE_HOME: '/caches' }, resolve('/caches', 'agent-lightning')],
  ['macOS', 'darwin', { XDG_CACHE_HOME: '/caches' }, join(home, 'Library', 'Caches', 'agent-lightning')],
  ['Windows', 'win32', {}, join(home, 'AppData', 'Local', 'agent-lightning')],
  ['Windows with LOCALAPPDATA', 'win32', { LOCALAPPDATA: '/local' }, resolve('/local', 'agent-lightning')],
  ['an own directory', 'linux', { AGENT_LIGHTNING_CACHE: 'here', XDG_CACHE_HOME: '/caches' }, resolve('here')],
  [
    'an empty variable',
    'linux',
    { AGENT_LIGHTNING_CACHE: '', XDG_CACHE_HOME: '' },
    join(home, '.cache', 'agent-lightning'),
  ],
])('finds the cache: %s', (_, platform, environment, directory) => {
  expect(findCacheDirectory(environment, platform, home)).toBe(directory);
});
