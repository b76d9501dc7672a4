/**
 * `npm run bench:learning -- --case NAME [--json]` measures one case of how agents learn; without `--case` it lists them. With `--json` the
 * last line is one JSON object: `{ case, ok, figures }`. The exit code is 1 when the case is not ok, 2 for an unknown case.
 */
import { parseArgs } from 'node:util';
import { additive } from './cases/additive.ts';
import { ailments } from './cases/ailments.ts';
import { autoCalc, autoControl, autoSql } from './cases/auto.ts';
import { critic } from './cases/critic.ts';
import { failures } from './cases/failures.ts';
import { nodesCalc, nodesSql } from './cases/nodes-examples.ts';
import { nodes } from './cases/nodes.ts';
import { noise } from './cases/noise.ts';
import { order } from './cases/order.ts';
import { positions } from './cases/positions.ts';
import { quickstart } from './cases/quickstart.ts';
import { temperature } from './cases/temperature.ts';
import { verdict } from './cases/verdict.ts';
import type { LearningCase } from './learning-case.ts';

const cases: readonly LearningCase[] = [
  additive,
  ailments,
  autoCalc,
  autoControl,
  autoSql,
  critic,
  failures,
  nodes,
  nodesCalc,
  nodesSql,
  noise,
  order,
  positions,
  quickstart,
  temperature,
  verdict,
];

const { values } = parseArgs({ options: { case: { type: 'string' }, json: { type: 'boolean', default: false } } });
const chosen = cases.find(({ name }) => name === values.case);
if (chosen === undefined) {
  console.log(cases.map(({ name, summary }) => `${name.padEnd(14)} ${summary}`).join('\n'));
  process.exitCode = values.case === undefined ? 0 : 2;
} else {
  const { ok, figures } = await chosen.run();
  console.log(values.json ? JSON.stringify({ case: chosen.name, ok, figures }) : { ok, ...figures });
  process.exitCode = ok ? 0 : 1;
}
