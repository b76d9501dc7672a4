/** Trains the SQL agent as often as a tool that measures asks for. */
import { answerTrainingRequests } from '@agent-lightning/example-kit';
import { withLightning } from '@agent-lightning/langgraph';

import { createSqlAgent } from './agent.ts';
import { ownQuestions, type SqlQuestion } from './question-set.ts';
import { startingModel } from './train.ts';

answerTrainingRequests<SqlQuestion>({
  model: startingModel,
  modelName: 'tiny-sql',
  prepare: (seed) => {
    const questions = ownQuestions({ seed, validationSeed: seed });
    const agent = withLightning(createSqlAgent({ databases: questions.databases, ...questions.agentOptions }), {
      agentMatch: /write/,
    });
    return {
      train: questions.train,
      heldOut: questions.validation,
      rollout: async (task, signal) => {
        const { query } = await agent.invoke({ database: task.database, question: task.question }, { signal });
        return await questions.reward(task, query);
      },
    };
  },
});
