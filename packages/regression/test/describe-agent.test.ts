/** The test that a user writes, on a recording that is in the repository as a user's would be. */
import { join } from 'node:path';
import { describeAgent } from '../src/vitest.ts';
import { recordedAgent, runAgent, type SumTask } from './tool-agent.ts';

describeAgent<SumTask>('an agent that adds', {
  recording: join(import.meta.dirname, '__fixtures__/sums.jsonl'),
  rollout: async (task, context) => await runAgent(recordedAgent, task, context),
});
