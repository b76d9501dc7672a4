/**
 * Runs Agent Lightning 0.3.0's own tests of its client against our server, with its package from PyPI, and then its runner on rollouts of ours.
 *
 *     npm run test:agl03 -- [--json]
 *
 * The last line is `{ passed, failed, why }` with `--json`. Ends with 0 when as many tests pass as with 0.3's own server.
 */
import { runPythonRunner } from './python-runner.ts';
import { makeAgl03Environment } from './python-agl03.ts';
import { runOfficialTests } from './official-tests.ts';
import type { SuiteResult } from './read-report.ts';
import { startServerControl } from './server-control.ts';

/** How many of the tests pass against 0.3's own server over HTTP; the others are bound to Python objects in the same process. */
const suites = [
  { name: 'client and server', files: ['test_restful.py', 'test_client_server.py'], least: 97, tests: 109 },
  { name: 'store', files: ['test_core.py'], least: 103, tests: 132 },
] as const;

const isJson = process.argv.includes('--json');
const python = makeAgl03Environment();
if (process.exitCode === undefined) await main();

async function main(): Promise<void> {
  const control = await startServerControl();
  const results: { readonly suite: (typeof suites)[number]; readonly result: SuiteResult }[] = [];
  try {
    for (const suite of suites)
      results.push({ suite, result: await runOfficialTests(python, control.url, suite.files) });
  } finally {
    await control.close();
  }
  const runner = await runPythonRunner(python);
  const lines = results.map(({ suite, result }) => ({
    suite: suite.name,
    passed: result.passed,
    of: result.passed + result.failed.length,
    least: suite.least,
    ok: result.passed >= suite.least && result.passed + result.failed.length === suite.tests,
  }));
  const isOk = lines.every(({ ok }) => ok) && runner.problem === undefined;
  const why = [
    ...results.flatMap(({ result }) => result.failed),
    ...(runner.problem === undefined
      ? []
      : [{ test: 'a runner of 0.3 on rollouts of our trainer', why: runner.problem }]),
  ];
  const passed = lines.reduce((sum, line) => sum + line.passed, 0);
  const failed = lines.reduce((sum, line) => sum + line.of - line.passed, 0);
  if (isJson) console.log(JSON.stringify({ passed, failed, ok: isOk, suites: lines, runner, why }));
  else {
    for (const { test, why: reason } of why) console.log(`not passed: ${test}: ${reason}`);
    for (const line of lines)
      console.log(`${line.suite}: ${line.passed} of ${line.of} (at least ${line.least}: ${line.ok ? 'yes' : 'no'})`);
    console.log(
      runner.problem ??
        `a runner of 0.3 worked off ${runner.rollouts} rollouts of our trainer, each with its reward once`,
    );
  }
  process.exitCode = isOk ? 0 : 1;
}
