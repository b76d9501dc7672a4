/**
 * Writes a bill of materials (SBOM, CycloneDX) of all packages that are published, with everything that an install of them brings, without the
 * frameworks.
 *
 *     npm run sbom -- [FILE]        (@default sbom.cdx.json)
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { listPackageFolders } from '../packed/pack-packages.ts';
import { makeSbom } from './make-sbom.ts';
import type { LockFile } from './shipped-dependencies.ts';

const help = `npm run sbom -- [FILE]

Writes a bill of materials of the packages that are published, in the format CycloneDX (JSON).
  FILE  the file to write (default: sbom.cdx.json)`;

process.exitCode = await main();

async function main(): Promise<number> {
  const file = readFile();
  if (file === undefined) return 2;
  const root = join(import.meta.dirname, '..', '..');
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile;
  const folders = listPackageFolders(root).map((folder) => relative(root, folder).split(sep).join('/'));
  const sbom = await makeSbom(lock, folders);
  // npm starts a script in the root of the workspace, wherever it was typed.
  const path = resolve(process.env['INIT_CWD'] ?? '.', file);
  writeFileSync(path, `${JSON.stringify(sbom, null, 2)}\n`);
  console.log(
    `sbom: ${path} lists ${folders.length} packages, and ${sbom.components.length - folders.length} that come with them`,
  );
  return 0;
}

function readFile(): string | undefined {
  try {
    const { values, positionals } = parseArgs({
      options: { help: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    if (!values.help && positionals.length <= 1) return positionals[0] ?? 'sbom.cdx.json';
    console.error(help);
  } catch (error) {
    console.error(`sbom: ${(error as Error).message}\n\n${help}`);
  }
  return undefined;
}
