/**
 * Plants ten faults, each in a healthy project of its own with the packed packages, and looks whether `agent-lightning doctor` names them. The
 * packages must be built; npm gets the AI SDK and an old Node.
 *
 *     npm run test:doctor
 *     npm run test:doctor -- --only "full disk"   (one; repeat it for more)
 *     npm run test:doctor -- --json               (the last line is one JSON object)
 */
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { listWithDependencies } from '../init/list-with-dependencies.ts';
import { packPackages } from '../packed/pack-packages.ts';
import { faults, type Fault, type Planted } from './plant-faults.ts';

const root = join(import.meta.dirname, '../..');

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, only: { type: 'string', multiple: true, default: [] } },
});
const unknown = values.only.find((name) => faults.every((fault) => fault.name !== name));
if (unknown === undefined)
  process.exitCode = await main(faults.filter(({ name }) => values.only.length === 0 || values.only.includes(name)));
else {
  console.error(
    `test:doctor: there is no fault "${unknown}"; --only takes ${faults.map(({ name }) => name).join(', ')}`,
  );
  process.exitCode = 2;
}

async function main(chosen: readonly Fault[]): Promise<number> {
  const sandbox = mkdtempSync(join(tmpdir(), 'doctor-'));
  try {
    const healthy = await makeHealthyProject(sandbox);
    const control = await examine(healthy, {}, sandbox);
    const missed: string[] = [];
    if (control.faults.length > 0) console.error(`the healthy project has faults: ${control.output}`);
    for (const [index, fault] of chosen.entries()) {
      const problem = await checkFault(fault, { healthy, folder: join(sandbox, String(index)) });
      if (problem !== undefined) missed.push(fault.name);
      console.log(problem === undefined ? `${fault.name}: named` : `${fault.name}: ${problem}`);
    }
    const named = chosen.length - missed.length;
    const ok = control.faults.length === 0 && chosen.length > 0 && missed.length === 0;
    if (values.json) console.log(JSON.stringify({ planted: chosen.length, named, ok, missed }));
    else console.log(`${named} of ${chosen.length} planted faults named`);
    return ok ? 0 : 1;
  } finally {
    rmSync(sandbox, { recursive: true, force: true });
  }
}

/** Makes a project with the AI SDK, its adapter and the command, all installed from tarballs. */
async function makeHealthyProject(sandbox: string): Promise<string> {
  const [project, tarballs] = [join(sandbox, 'healthy'), join(sandbox, 'tarballs')];
  mkdirSync(project);
  mkdirSync(tarballs);
  const manifest = { name: 'healthy', private: true, type: 'module', dependencies: { ai: '7.0.173', zod: '4.6.7' } };
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest));
  const wanted = listWithDependencies(root, ['agent-lightning', '@agent-lightning/ai-sdk']);
  const packed = await packPackages(root, tarballs);
  const files = packed.filter(({ manifest }) => wanted.has(manifest.name)).map(({ tarball }) => tarball);
  const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', ...files];
  execFileSync('npm', args, { cwd: project, stdio: ['ignore', 'ignore', 'pipe'] });
  return project;
}

/** Plants a fault, and returns what is wrong with what the doctor says, or undefined where it names the fault. */
async function checkFault(
  { name, check, says, plant }: Fault,
  { healthy, folder }: { readonly healthy: string; readonly folder: string },
): Promise<string | undefined> {
  const project = join(folder, 'project');
  cpSync(healthy, project, { recursive: true, verbatimSymlinks: true });
  const planted = await plant({ project, folder, root });
  if (typeof planted === 'string') return `could not be planted: ${planted}`;
  try {
    const { code, findings, output } = await examine(project, planted, folder);
    const finding = findings.find((each) => each.check === check && each.status === 'fault' && says.test(each.found));
    if (finding === undefined) return `not named: ${output}`;
    if (code !== 1) return `the exit code is ${code}, not 1`;
    return finding.advice === undefined ? `nothing is said to do about ${name}` : undefined;
  } finally {
    await planted.remove?.();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Examined {
  readonly code: number;
  readonly faults: readonly string[];
  readonly findings: readonly { check: string; status: string; found: string; advice?: string }[];
  readonly output: string;
}

/** Runs the doctor in a project, with nothing in the environment but what it needs. */
async function examine(project: string, { args = [], environment, node }: Planted, folder: string): Promise<Examined> {
  const command = join(project, 'node_modules', 'agent-lightning', 'dist', 'cli', 'main.js');
  const env = { PATH: process.env['PATH'], AGENT_LIGHTNING_CACHE: join(folder, 'cache'), ...environment };
  const { code, output } = await new Promise<{ code: number; output: string }>((resolve) => {
    execFile(
      node ?? process.execPath,
      [command, 'doctor', '--json', ...args],
      { cwd: project, env },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
  const line = output.split('\n').find((each) => each.startsWith('{"ok"')) ?? '{"faults":["no answer"],"findings":[]}';
  return { code, output, ...(JSON.parse(line) as Pick<Examined, 'faults' | 'findings'>) };
}
