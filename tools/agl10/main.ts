/**
 * Runs Agent Lightning 1.0.2's own controller and the rollout managers of its verl trainer, from PyPI, against our server: one synchronous step,
 * a validation, and an asynchronous step with its pause. What needs a GPU (verl itself) does not run.
 *
 *     npm run test:agl10 -- [--json]
 *
 * The last line is `{ ok, rollouts, why }` with `--json`. Ends with 0 when all that the trainer read, and all that the store has, is right.
 */
import { checkSession } from './check-session.ts';
import { makeAgl10Environment } from './python-agl10.ts';
import { runStockSession } from './stock-session.ts';

const isJson = process.argv.includes('--json');
const python = makeAgl10Environment();
if (process.exitCode === undefined) await main();

async function main(): Promise<void> {
  let rollouts = 0;
  const why = await runStockSession(python, (session, store) => {
    rollouts = session.train.length + session.val.length + session.async.length;
    return checkSession(session, store);
  });
  const isOk = why.length === 0;
  if (isJson) console.log(JSON.stringify({ ok: isOk, rollouts, why }));
  else
    console.log(
      isOk ? `the trainer and controller of 1.0 ran ${rollouts} rollouts, each as it should be` : why.join('\n'),
    );
  process.exitCode = isOk ? 0 : 1;
}
