/** Carries out a plan of `init`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import type { Project } from '../project/read-project.ts';
import { installCommand } from '../project/install-command.ts';
import type { InitPlan } from './plan-init.ts';

/**
 * Adds the scripts to package.json, and then writes the planned files, none over another. The configuration is the last one: a project that has it
 * counts as set up, and lacks packages at most.
 */
export async function writePlan(
  { directory, manifestText }: Pick<Project, 'directory' | 'manifestText'>,
  { files, scripts }: InitPlan,
): Promise<void> {
  if (Object.keys(scripts).length > 0)
    await writeFile(join(directory, 'package.json'), addScripts(manifestText, scripts));
  for (const { path, text } of files) {
    const file = join(directory, path);
    await mkdir(dirname(file), { recursive: true });
    // It fails where somebody made the file meanwhile.
    await writeFile(file, text, { flag: 'wx' });
  }
}

/** Returns the text of a package.json with more scripts, in its own indentation. */
export function addScripts(text: string, scripts: Readonly<Record<string, string>>): string {
  const manifest = JSON.parse(text) as { readonly scripts?: Readonly<Record<string, string>> };
  const indentation = /^[ \t]+/m.exec(text)?.[0] ?? '  ';
  const changed = JSON.stringify({ ...manifest, scripts: { ...manifest.scripts, ...scripts } }, undefined, indentation);
  const lines = text.includes('\r\n') ? changed.replaceAll('\n', '\r\n') : changed;
  return lines + (/\r?\n$/.exec(text)?.[0] ?? '');
}

/**
 * Installs packages with the package manager of the project; its output goes to standard error.
 * @throws {ConfigurationError} `command-failed` when it cannot
 */
export async function installPackages(project: Project, packages: readonly string[]): Promise<void> {
  const [program, ...args] = installCommand(project.packageManager, packages);
  const line = [program, ...args].join(' ');
  // On Windows package managers are command scripts, which only a shell runs.
  const child = spawn(program!, args, {
    cwd: project.directory,
    stdio: ['ignore', process.stderr.fd, 'inherit'],
    shell: process.platform === 'win32',
  });
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (code === 0) return;
    throw failed(line, project, `it ended with ${signal ?? `exit code ${code}`}`);
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause;
    throw failed(line, project, (cause as Error).message, cause);
  }
}

function failed(line: string, { directory }: Project, reason: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `The files are written, but \`${line}\` in ${directory} failed: ${reason}. Correct it and run that line, or init, again.`,
    { code: 'command-failed', cause },
  );
}
