/** Runs a command that never ends, tells its process id, and waits to be killed. */
import { MemoryStore } from '@agent-lightning/store';
import { runCommand, Runner } from '../src/index.ts';

const store = new MemoryStore();
const rollout = runCommand({ command: '/bin/sh', args: ['-c', 'echo $$ > "$PID_FILE"; while :; do sleep 1000; done'] });
await store.enqueue([{ input: null }]);
await new Runner({ store, rollout }).run();
