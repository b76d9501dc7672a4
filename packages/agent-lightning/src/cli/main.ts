#!/usr/bin/env node
/** The command `agent-lightning`. */
import { checkNode } from '../doctor/check-node.ts';
import { describeFindings } from '../doctor/describe-findings.ts';

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

const exitCode = await main(process.argv.slice(2));
process.exitCode = exitCode;
// An agent may leave a socket or a timer open; what was printed is out before the process ends.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));

/** Runs the command line; on a Node that cannot load the rest of this program, says so instead. */
async function main(args: readonly string[]): Promise<number> {
  const node = checkNode();
  if (node.status === 'fault') return tellOldNode(node, args);
  const { runCommandLine } = await import('./run-command-line.ts');
  return await runCommandLine(args);
}

/** Tells, as `doctor` would, that Node is too old. */
function tellOldNode(node: ReturnType<typeof checkNode>, args: readonly string[]): 1 {
  const isDoctor = args[0] === 'doctor';
  const isJson = args.includes('--json');
  const text = `${describeFindings([node])} The rest is checked with a newer Node.\n`;
  if (!isDoctor || !isJson) (isDoctor ? process.stdout : process.stderr).write(text);
  const told = { ok: false, faults: [node.check], findings: [node] };
  const error = { code: 'option-unsupported', message: node.found };
  if (isJson) process.stdout.write(`${JSON.stringify(isDoctor ? told : { error })}\n`);
  return 1;
}
