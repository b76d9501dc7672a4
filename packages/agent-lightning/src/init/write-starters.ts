/** Writes the files that the user fills in: tasks and reward. */
import type { Language } from './write-config.ts';

/** Returns the text of `lightning/tasks`. */
export function writeTasks(language: Language): string {
  const isTyped = language === 'ts';
  return `// FILL IN: tasks like those that your agent gets. These are placeholders, which make \`npx agent-lightning dev\` run.
// Tasks that are in a file: \`await readTasks('train.jsonl')\` of 'agent-lightning' (JSON Lines, CSV, Parquet).
${
  isTyped
    ? `
export interface Task {
  /** What the agent is asked. */
  readonly input: string;
  /** What the reward compares the answer with. */
  readonly expected: string;
}
`
    : ''
}
/** ${isTyped ? '' : '@type {{ input: string, expected: string }[]} '}Training takes its tasks from here: some dozens at least, of which the agent solves some. */
export const train${isTyped ? ': readonly Task[]' : ''} = [
  { input: 'What is 3 plus 4? Answer with the number.', expected: '7' },
  { input: 'What is the capital of France? Answer with its name.', expected: 'Paris' },
  { input: 'How many days has a leap year? Answer with the number.', expected: '366' },
  { input: 'Which planet is nearest to the sun? Answer with its name.', expected: 'Mercury' },
];

/** ${isTyped ? '' : '@type {{ input: string, expected: string }[]} '}Training never sees these: at least 16, to say whether the agent became better. */
export const validation${isTyped ? ': readonly Task[]' : ''} = [
  { input: 'What is 8 minus 2? Answer with the number.', expected: '6' },
  { input: 'What is the capital of Japan? Answer with its name.', expected: 'Tokyo' },
];
`;
}

export interface RewardForm {
  /** True where the agent answers with a text; else its answer may be anything. */
  readonly isText: boolean;
  /** The import of the tasks, such as `./tasks.js`. */
  readonly tasksFile: string;
}

/** Returns the text of `lightning/reward`, which says on every run that it is not filled in yet. */
export function writeReward(language: Language, { isText, tasksFile }: RewardForm): string {
  const isTyped = language === 'ts';
  const answerType = isText ? 'string' : 'unknown';
  const example = isText ? 'answer.includes(task.expected)' : 'JSON.stringify(answer).includes(task.expected)';
  const parameters = isTyped ? `task: Task, answer: ${answerType}` : 'task, answer';
  return `${isTyped ? `import type { Task } from ${JSON.stringify(tasksFile).replaceAll('"', "'")};\n\n` : ''}/**
 * Returns the reward of one answer: 1 for a good one, 0 for a bad one, or anything between. What it rewards is what the agent learns.
 *
 * FILL IN. Until then every answer earns 0, so that nothing can be learned; \`npx agent-lightning dev\` runs the agent and says so.
${isTyped ? '' : ` *\n * @param {{ input: string, expected: string }} task\n * @param {${answerType}} answer\n * @returns {number}\n`} */
export function reward(${parameters})${isTyped ? ': number' : ''} {
  // For example: return ${example} ? 1 : 0;
  if (!isTold) console.warn(\`The reward in lightning/reward.${language} is not filled in, so every answer earns 0. One: \${JSON.stringify(answer)?.slice(0, 200)} to "\${task.input}".\`);
  isTold = true;
  return 0;
}

let isTold = false;
`;
}
