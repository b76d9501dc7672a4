/** Measures claims about learning: `npm run bench:learning -- --case NAME [--json]`. */
import { parseArgs } from 'node:util';
import type { LearningCase } from './learning-case.ts';
import { noise } from './cases/noise.ts';
import { order } from './cases/order.ts';
import { positions } from './cases/positions.ts';

const cases: readonly LearningCase[] = [noise, positions, order];

const { values } = parseArgs({ options: { case: { type: 'string' }, json: { type: 'boolean', default: false } } });
const chosen = cases.find(({ name }) => name === values.case);
if (chosen === undefined) {
  console.error(`--case is ${values.case ?? 'not given'}; give one of:`);
  for (const { name, summary } of cases) console.error(`  ${name.padEnd(12)} ${summary}`);
  process.exitCode = 2;
} else {
  const { ok, figures } = await chosen.run();
  if (values.json) console.log(JSON.stringify({ case: chosen.name, ok, figures }));
  else {
    console.log(`${chosen.name}: ${ok ? 'ok' : 'NOT ok'}; ${chosen.summary}`);
    for (const [name, value] of Object.entries(figures)) console.log(`  ${name}: ${JSON.stringify(value)}`);
  }
  process.exitCode = ok ? 0 : 1;
}
