/** Runs a command that never ends, tells its process id as soon as the command runs, and waits to be killed. */
import { existsSync, renameSync } from 'node:fs';
import { MemoryStore } from '@agent-lightning/store';
import { runCommand, Runner } from '../src/index.ts';

const pidFile = process.env['PID_FILE']!;
const store = new MemoryStore();
const rollout = runCommand({
  command: '/bin/sh',
  inheritEnv: ['PID_FILE'],
  args: ['-c', 'echo $$ > "$PID_FILE.new"; while :; do sleep 1000; done'],
});
await store.enqueue([{ input: null }]);
// This process tells it, not the command: so this process has done all that it does when it starts a command.
setInterval(() => existsSync(`${pidFile}.new`) && renameSync(`${pidFile}.new`, pidFile), 5);
await new Runner({ store, rollout }).run();
