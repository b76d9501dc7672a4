/** Checks the GPU, whether PyTorch can use it, and vLLM. */
import { findVllm } from '@agent-lightning/gpu';
import { fault, note, ok, type Finding } from './finding.ts';
import { runProgram } from './run-program.ts';

export interface GpuNeed {
  readonly isNeeded: boolean;
  /** The Python of the worker, where it has all packages. */
  readonly python: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

const elsewhere =
  "train small models in this process by embedded({ model: 'smollm2' }), or on the CPU by gpu({ model, device: 'cpu' }); for larger ones go to a machine with an NVIDIA GPU and its driver";

/** Checks that there is an NVIDIA GPU which PyTorch sees. */
export async function checkGpu({ isNeeded, python, environment }: GpuNeed): Promise<Finding> {
  const tell = isNeeded ? fault : note;
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader'];
  const { output, error } = await runProgram('nvidia-smi', query, environment);
  const cards = output.trim();
  if (error !== undefined || cards === '') {
    const reason =
      error?.startsWith('ENOENT') === true
        ? 'there is no nvidia-smi, so no driver'
        : (error ?? 'nvidia-smi lists none');
    return tell('gpu', `no NVIDIA GPU: ${reason}`, elsewhere);
  }
  const found = cards.split('\n').join('; ');
  if (python === undefined) return ok('gpu', found);
  const seen = await runProgram(
    python,
    ['-c', 'import torch; print(torch.cuda.is_available(), torch.version.cuda)'],
    environment,
  );
  if (seen.output.startsWith('True'))
    return ok('gpu', `${found}; PyTorch with CUDA ${seen.output.trim().split(' ')[1]}`);
  return tell(
    'gpu',
    `${found}; PyTorch does not see it: ${seen.error ?? `its CUDA is ${seen.output.trim().split(' ')[1]}`}`,
    'install a PyTorch build for the CUDA of this driver: `npx agent-lightning setup-python --torch-index https://download.pytorch.org/whl/cu128`',
  );
}

export interface VllmNeed {
  readonly isNeeded: boolean;
  readonly device: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

/** Checks that the vLLM that a backend would start is there. */
export async function checkVllm({ isNeeded, device, environment }: VllmNeed): Promise<Finding> {
  const vllm = findVllm(device, environment);
  const { error } = await runProgram(vllm, ['--help'], environment);
  if (error === undefined) return ok('vllm', `${vllm} runs`);
  const isMissing = error.startsWith('ENOENT');
  const tell = isNeeded || environment['AGENT_LIGHTNING_VLLM'] !== undefined ? fault : note;
  return tell(
    'vllm',
    isMissing
      ? `there is no ${vllm}${isNeeded ? '' : '; only gpu({ vllm }) needs one'}`
      : `${vllm} does not run: ${error.slice(0, 300)}`,
    'on Linux, `npx agent-lightning setup-python --vllm` installs one; or name the program of another by AGENT_LIGHTNING_VLLM; or leave out the option vllm, and the worker samples',
  );
}
