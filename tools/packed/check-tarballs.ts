/**
 * Packs every package and asks publint and Are The Types Wrong about each tarball; nothing that either of them says is let pass.
 *
 *     node tools/packed/check-tarballs.ts        (after `npm run build`)
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { packPackages, type PackedPackage } from './pack-packages.ts';

const folder = mkdtempSync(join(tmpdir(), 'tarballs-'));
try {
  const packages = await packPackages(join(import.meta.dirname, '..', '..'), folder);
  const problems: string[] = [];
  for (const packed of packages) problems.push(...(await findProblems(packed)));
  for (const problem of problems) console.error(problem);
  const verdict = problems.length === 0 ? 'publint and attw have nothing to say' : `${problems.length} problem(s)`;
  console.log(`tarballs: ${packages.length} packages, ${verdict}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function findProblems({ manifest, tarball }: PackedPackage): Promise<string[]> {
  const bytes = Uint8Array.from(readFileSync(tarball));
  const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer }, level: 'suggestion', strict: true });
  const said = messages.map((message) => `publint, ${message.type}: ${formatMessage(message, pkg, { color: false })}`);
  const analysis = await checkPackage(createPackageFromTarballData(bytes));
  const problems = analysis.types ? analysis.problems : [{ kind: 'Untyped' }];
  return [...said, ...problems.map(describeProblem)].map((line) => `${manifest.name}: ${line}`);
}

function describeProblem(problem: { readonly kind: string }): string {
  const { kind, entrypoint, resolutionKind } = problem as typeof problem & Readonly<Record<string, unknown>>;
  return `attw: ${kind}${entrypoint === undefined ? '' : ` of "${String(entrypoint)}" by ${String(resolutionKind)}`}`;
}
