import { defineConfig, embedded, grpo } from 'agent-lightning';
// Compilers find ask.ts under this name, and Node alone would not.
// eslint-disable-next-line import/extensions
import { countLetters } from './ask.js';

const small = { groupSize: 4, tasksPerStep: 2, maxTokens: 4, extendFailed: 0 };

export default defineConfig({
  rollout: async (task, context) => await countLetters(task.letter, context),
  train: () => [...'abcdef'].map((letter) => ({ letter })),
  validation: [...'ghij'].map((letter) => ({ letter })),
  taskKind: ({ letter }) => (letter < 'i' ? 'early' : 'late'),
  backend: ({ model = 'no-such-model' }) => embedded({ model, threads: 1 }),
  algorithm: { grpo: grpo(small), bold: grpo({ ...small, learningRate: 1e-2 }) },
  progress: 'none',
});
