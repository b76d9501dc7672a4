/** Checks the Node that runs this. It imports nothing that an old Node could not load. */
import { readFileSync } from 'node:fs';
import { fault, ok, type Finding } from './finding.ts';

/** Checks a version of Node against what this package needs. */
export function checkNode(version: string = process.versions.node, needed: string = readNeeded()): Finding {
  const range = `>=${needed}`;
  if (isAtLeast(version, needed)) return ok('node', `Node ${version} (needs ${range})`);
  return fault(
    'node',
    `Node ${version} at ${process.execPath}, and ${range} is needed`,
    'install Node 24 (https://nodejs.org, or `nvm install 24`), and run this again with it; `node --version` says which one a terminal takes',
  );
}

function readNeeded(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly engines: { readonly node: string };
  };
  return manifest.engines.node.replace('>=', '');
}

function isAtLeast(version: string, needed: string): boolean {
  const [given, least] = [version, needed].map((each) => each.split('.').map(Number));
  const index = least!.findIndex((part, position) => part !== (given![position] ?? 0));
  return index === -1 || (given![index] ?? 0) > least![index]!;
}
