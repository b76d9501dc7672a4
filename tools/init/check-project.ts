/** Sets up one project with the packed packages, as a user would, and runs `dev` there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Provider } from '../zoo/provider/start-provider.ts';

export interface ProjectResult {
  readonly project: string;
  /** True when `init` wrote a configuration with which `dev` ran every rollout, saw its model calls, and said that the reward is missing. */
  readonly isReady: boolean;
  /** True when a second `init` changed no file. */
  readonly isUnchanged: boolean;
  /** Says what fell short. */
  readonly problems: readonly string[];
}

export interface CheckProjectOptions {
  /** The folder of the project as its author has it. */
  readonly source: string;
  readonly name: string;
  /** An empty folder. */
  readonly folder: string;
  /** The tarballs to install. */
  readonly tarballs: readonly string[];
  readonly provider: Provider;
}

/** Carries a project from its author's state to a dry run, and runs `init` a second time. */
export async function checkProject({
  source,
  name,
  folder,
  tarballs,
  provider,
}: CheckProjectOptions): Promise<ProjectResult> {
  cpSync(source, folder, { recursive: true });
  const problems: string[] = [];
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--save-dev', ...tarballs], folder);
  const init = await runCommand(folder, ['init', '--yes', '--json'], provider);
  if (init.code !== 0) problems.push(`init ended with exit code ${init.code}: ${init.complaints}`);
  const before = readFiles(folder);
  const callsBefore = provider.calls.length;
  const dev = await runCommand(folder, ['dev', '--json', '--samples', '2'], provider);
  problems.push(...judge(dev, provider.calls.length - callsBefore));
  const isReady = problems.length === 0;
  const again = await runCommand(folder, ['init', '--yes', '--json'], provider);
  if (again.code !== 0) problems.push(`the second init ended with exit code ${again.code}: ${again.complaints}`);
  const changed = listChanges(before, readFiles(folder));
  if (changed.length > 0) problems.push(`the second init changed ${changed.join(', ')}`);
  return { project: name, isReady, isUnchanged: again.code === 0 && changed.length === 0, problems };
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly complaints: string;
}

/** The parts of the report of a dry run that are read. */
interface DevReport {
  readonly rollouts: number;
  readonly succeeded: number;
  readonly rewards: readonly number[];
  readonly ownCalls: readonly { readonly calls: number; readonly failed: number }[];
}

/** Says why a dry run is not what `init` promises; nothing where it is. Exit code 3 says that the reward is still to be filled in. */
function judge({ code, output, complaints }: Ended, calls: number): readonly string[] {
  const tail = complaints.trim().split('\n').slice(-6).join('\n');
  if (code !== 0 && code !== 3) return [`dev ended with exit code ${code}: ${tail}`];
  const report = JSON.parse(output.trimEnd().split('\n').at(-1)!) as DevReport;
  const followed = report.ownCalls.reduce((sum, each) => sum + each.calls - each.failed, 0);
  return [
    ...(report.rollouts > 0 && report.succeeded === report.rollouts
      ? []
      : [`${report.succeeded} of ${report.rollouts} rollouts succeeded: ${tail}`]),
    ...(calls >= report.rollouts ? [] : [`the model was called ${calls} times in ${report.rollouts} rollouts`]),
    ...(followed === calls ? [] : [`the adapter followed ${followed} of ${calls} model calls`]),
    ...(report.rewards.every((reward) => reward === 0) ? [] : ['a reward that nobody wrote is not 0']),
    ...(complaints.includes('is not filled in') ? [] : ['nothing says that the reward is to be filled in']),
  ];
}

async function runCommand(folder: string, args: readonly string[], provider: Provider): Promise<Ended> {
  const command = join(folder, 'node_modules', 'agent-lightning', 'dist', 'cli', 'main.js');
  const child = spawn(process.execPath, [command, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', OPENAI_API_KEY: 'test', OPENAI_BASE_URL: `${provider.origin}/own/v1` },
  });
  const [output, complaints, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, output, complaints };
}

async function run(program: string, args: readonly string[], folder: string): Promise<void> {
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const [complaints, [code]] = await Promise.all([
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  if (code !== 0) throw new Error(`${program} ${args.slice(0, 2).join(' ')} in ${folder} failed: ${complaints}`);
}

/** Returns every file of a project but those of packages, with its text. */
function readFiles(folder: string): ReadonlyMap<string, string> {
  const files = globSync('**/*', { cwd: folder, withFileTypes: true, exclude: ['**/node_modules'] });
  const paths = files.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [path, readFileSync(path, 'utf8')]));
}

function listChanges(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((path) => before.get(path) !== after.get(path));
}
