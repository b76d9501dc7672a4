/** The official Python SDK at its newest version that is tested, in a virtual environment of its own beside this package. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The version that the recordings and the messages are of. */
export const officialSdk = 'tinker==0.38.0';

/** The directory of the scripts that drive the SDK. */
export const referenceScripts: string = fileURLToPath(new URL('../../../tools/reference', import.meta.url));

/** Installs the SDK where it is not there yet (350 MB), and returns its Python. PYTHON names the interpreter that makes it. */
export async function installOfficialSdk(): Promise<string> {
  const environment = fileURLToPath(new URL('../.venv', import.meta.url));
  const python = join(environment, 'bin', 'python');
  const isThere = existsSync(python) && (await installedVersion(python)) === officialSdk;
  if (isThere) return python;
  await rm(environment, { recursive: true, force: true });
  await run(process.env['PYTHON'] ?? 'python3', ['-m', 'venv', environment]);
  await run(python, ['-m', 'pip', 'install', '-qq', '--disable-pip-version-check', officialSdk], {
    maxBuffer: 2 ** 26,
  });
  return python;
}

async function installedVersion(python: string): Promise<string | undefined> {
  const script = "from importlib.metadata import version; print('tinker==' + version('tinker'))";
  const found = await run(python, ['-c', script]).catch(() => undefined);
  return found?.stdout.trim();
}
