import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readReport, type SuiteResult } from './read-report.ts';

const here = import.meta.dirname;

/** Runs files of the official tests with the given interpreter; `control` starts the servers that they ask. */
export async function runOfficialTests(
  python: string,
  control: string,
  files: readonly string[],
): Promise<SuiteResult> {
  const directory = mkdtempSync(join(tmpdir(), 'agl03-tests-'));
  try {
    cpSync(join(here, 'official-tests'), directory, { recursive: true });
    cpSync(join(here, 'remote_server.py'), join(directory, 'remote_server.py'));
    appendFileSync(
      join(directory, 'tests', 'store', 'conftest.py'),
      '\nfrom remote_server import inmemory_store, remote_server\n',
    );
    const report = join(directory, 'report.xml');
    const paths = files.map((name) => join('tests', 'store', name));
    const options = [
      '-q',
      '-p',
      'no:cacheprovider',
      '-m',
      'not mongo',
      '-W',
      'ignore',
      '--tb=line',
      `--junitxml=${report}`,
    ];
    writeFileSync(join(directory, 'pytest.ini'), '[pytest]\n');
    await run(python, ['-m', 'pytest', ...options, ...paths], directory, { AGL03_CONTROL: control });
    return readReport(readFileSync(report, 'utf8'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs Python with what Agent Lightning 0.3 needs to start without the network, and shows what it prints; a test that fails is no failure of this. */
export function run(
  python: string,
  args: readonly string[],
  directory: string,
  variables: NodeJS.ProcessEnv,
): Promise<number | null> {
  const environment = { ...process.env, LITELLM_LOCAL_MODEL_COST_MAP: 'True', PYTHONPATH: directory, ...variables };
  const child = spawn(python, args, { cwd: directory, env: environment, stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
}
