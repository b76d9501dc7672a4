/**
 * Starts a command that never ends and is killed in the same moment, before it can say which process the command is:
 * `node killed-at-start.ts shell|program`.
 */
import { spawn, type SpawnOptions } from 'node:child_process';
import { guardStart } from '../src/index.ts';

const start = guardStart(process.env);
const options: SpawnOptions = { env: start.env, detached: true, stdio: ['ignore', 'inherit', 'ignore'] };
if (process.argv[2] === 'shell') spawn('/bin/sh', ['-c', 'sleep 1000 & wait'], options);
else spawn('sleep', ['1000'], options);
process.kill(process.pid, 'SIGKILL');
