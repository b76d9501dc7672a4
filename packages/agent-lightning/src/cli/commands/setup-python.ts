import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { setUpPython, setUpVllm } from '@agent-lightning/gpu';
import { defineCommand, runAs } from '../define-command.ts';

interface SetUpPythonCommandOptions {
  readonly directory?: string;
  readonly python?: string;
  readonly installer?: 'uv' | 'pip';
  readonly torchIndex?: string;
  readonly vllm?: true;
}

/** Adds `setup-python`, which makes the Python environment of the PyTorch worker. */
export function addSetupPythonCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'setup-python',
    summary: 'install PyTorch and what else the backend gpu needs',
    details:
      "Makes a Python environment in the user's cache, where gpu() finds it; says first how large it becomes: about 1 GB with PyTorch's CPU build, several GB with CUDA. Does nothing where it is there. The backend embedded needs none of this.",
    examples: [
      ['agent-lightning setup-python', "the build that the machine's package index gives, on Linux that with CUDA"],
      [
        'agent-lightning setup-python --torch-index https://download.pytorch.org/whl/cpu',
        'the smaller build for machines without a GPU',
      ],
      ['agent-lightning setup-python --vllm', 'vLLM too, for gpu({ vllm: true })'],
    ],
  })
    .option(
      '--directory <directory>',
      'another place: new, empty, or a Python environment, which is replaced; name its Python by AGENT_LIGHTNING_PYTHON then',
    )
    .option('--python <path>', 'the Python, 3.10 or later, that makes the environment')
    .addOption(new Option('--installer <name>', 'default: uv where it is on the PATH, else pip').choices(['uv', 'pip']))
    .option('--torch-index <url>', 'the package index that PyTorch alone is taken from')
    .option(
      '--vllm',
      'vLLM too, in an environment of its own: Linux only; the build for the CPU where there is no NVIDIA GPU',
    );
  runAs<SetUpPythonCommandOptions>(command, async ({ options, terminal, logger }) => {
    const { directory, python, installer, torchIndex } = options;
    const shared = {
      logger,
      signal: terminal.interruption(),
      ...(python !== undefined && { python }),
      ...(installer !== undefined && { installer }),
    };
    const path = await setUpPython({
      ...shared,
      ...(directory !== undefined && { directory: resolve(terminal.directory, directory) }),
      ...(torchIndex !== undefined && { torchIndex }),
    });
    if (options.vllm !== true) return { text: path, json: { python: path } };
    const vllm = await setUpVllm(shared);
    return { text: `${path}\n${vllm}`, json: { python: path, vllm } };
  });
}
