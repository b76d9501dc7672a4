/** Runs a container that never ends, and waits to be killed. */
import { MemoryStore } from '@agent-lightning/store';
import { runContainer, Runner } from '../src/index.ts';
import { image } from './container-engine.ts';

const folder = process.env['READY_FOLDER']!;
const rollout = runContainer({
  engine: process.env['ENGINE']!,
  image,
  args: ['-e', 'setInterval(() => {}, 1000); require("node:fs").writeFileSync("/ready/orphan", "")'],
  engineArgs: ['--volume', `${folder}:/ready`],
  network: 'host',
});
const store = new MemoryStore();
await store.enqueue([{ input: null, rolloutId: process.env['ROLLOUT_ID']! }]);
await new Runner({ store, rollout }).run();
