/** Trains the agent with the calculator as often as a tool that measures asks for. */
import { answerTrainingRequests } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/openai-agents';

import { createCalcAgent, solve } from './agent.ts';
import { ownProblems } from './problem-set.ts';
import type { Problem } from './problems.ts';
import { startingModel } from './train.ts';

answerTrainingRequests<Problem>({
  model: startingModel,
  modelName: 'tiny-calc',
  prepare: (seed) => {
    const { train, validation, agentOptions, reward } = ownProblems({ seed, validationSeed: seed });
    const agent = withLightning(createCalcAgent(agentOptions));
    return {
      train,
      heldOut: validation,
      rollout: async (task, signal) => reward(task, await solve(agent, task.question, { ...agentOptions, signal })),
    };
  },
});
