import { deepStrictEqual } from 'node:assert/strict';
import { readLastLine } from './run-program.ts';

/** Matches an error of a file that belongs to the app or to one of our packages; other people's types are not ours to check. */
const ownError = /^(?!(?:\.\.\/)*node_modules\/(?!@?agent-lightning\/))\S+\(\d+,\d+\): error |^error /;

/** Returns the errors that a compiler printed about the app and about our types, not those about types of other packages. */
export function findTypeErrors(output: string): readonly string[] {
  return output.split('\n').filter((line) => ownError.test(line));
}

const agents = ['writer', 'planner', 'checker', 'clerk'];
const recorded = agents.map((agent) => ({
  agent,
  status: 'succeeded',
  reward: 1,
  answer: `answer of ${agent} #q1`,
}));

/**
 * Checks what the app printed: on this Node (a range of semver), the runs of its agents with answers and rewards in both stores, and its training.
 * @throws {AssertionError} when it differs
 */
export function judgeApp(output: string, version: string, trains: boolean): void {
  const { node, ...printed } = readLastLine(output) as { readonly node: string };
  deepStrictEqual(`${node}.`.startsWith(`${version}.`), true, `Node ${node} ran, and not ${version}`);
  const trained = { steps: 1, stopReason: 'completed', hasReport: true };
  deepStrictEqual(printed, { memory: recorded, sqlite: recorded, ...(trains && { trained }) });
}

/**
 * Checks what a server answered to a question, and what it recorded of it.
 * @throws {AssertionError} when it differs
 */
export function judgeServer(answered: unknown, rollouts: unknown): void {
  const { rolloutId, answer } = answered as { readonly rolloutId: string; readonly answer: string };
  deepStrictEqual(answer, 'answer of writer #q1');
  deepStrictEqual(rollouts, [{ rolloutId, status: 'succeeded', kinds: ['agent', 'model_call', 'reward'] }]);
}
