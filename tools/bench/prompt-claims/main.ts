/**
 * `npm run bench:prompt-claims [-- --json] [--runs 40] [--budget 1200]` counts how often a search for prompts claims a gain: in runs in which all prompts are alike, and in
 * runs in which one sentence lifts the mean reward from 0.5 to 0.8. A claim is the verdict `better`. With `--json` the last line is
 * `{ falseClaims, trueClaims, … }`. The exit code is 1 when more than 2 of 40 claims are false, or less than 32 of 40 gains are claimed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { searchByCoin, type CoinRun } from './coin-agent.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '40' },
    budget: { type: 'string', default: '1200' },
  },
});
const runs = Number(values.runs);
const budget = Number(values.budget);
const startedAtMs = performance.now();

/** Runs one search after the other, each with a seed of its own. */
async function search(liftedReward: number): Promise<readonly CoinRun[]> {
  const found: CoinRun[] = [];
  for (let seed = 0; seed < runs; seed += 1) {
    const folder = mkdtempSync(join(tmpdir(), 'prompt-claims-'));
    try {
      found.push(await searchByCoin(seed, { liftedReward, budget, runDirectory: join(folder, 'run') }));
    } finally {
      rmSync(folder, { recursive: true });
    }
    if (!values.json) console.log({ liftedReward, seed, ...found.at(-1) });
  }
  return found;
}

const countClaims = (found: readonly CoinRun[]): number => found.filter(({ answer }) => answer === 'better').length;

const alike = await search(0.5);
const lifted = await search(0.8);
const [falseClaims, trueClaims] = [countClaims(alike), countClaims(lifted)];
const isOk = falseClaims <= 0.05 * runs && trueClaims >= 0.8 * runs;
console.log(
  JSON.stringify({
    falseClaims,
    trueClaims,
    ok: isOk,
    runs,
    budget,
    changedAlike: alike.filter(({ isChanged }) => isChanged).length,
    foundLifting: lifted.filter(({ hasLifting }) => hasLifting).length,
    rolloutsOfARun: Math.round(lifted.reduce((sum, { rollouts }) => sum + rollouts, 0) / runs),
    seconds: Math.round((performance.now() - startedAtMs) / 1000),
  }),
);
process.exitCode = isOk ? 0 : 1;
