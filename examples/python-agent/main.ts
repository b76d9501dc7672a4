/** Trains agent.py on this machine: `npm start -w python-agent`. */
import { parseArgs } from 'node:util';

import { questions } from './questions.ts';
import { train } from './train.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    steps: { type: 'string', default: '8' },
    control: { type: 'string', default: 'none' },
    'run-directory': { type: 'string' },
  },
});

const result = await train({
  questions,
  steps: Number(values.steps),
  groupSize: 8,
  seed: Number(values.seed),
  control: values.control as 'none' | 'shuffled', // the trainer refuses anything else
  ...(values['run-directory'] !== undefined && { runDirectory: values['run-directory'] }),
});
const [before, after] = [result.validationBefore, result.validationAfter].map((share) => share?.toFixed(2));
console.log(`right answers: ${before} before, ${after} after`);
