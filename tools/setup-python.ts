/**
 * Makes the Python environment of the GPU worker, packages/gpu/python/.venv: the pinned requirements and the worker itself.
 * Does nothing when it is there and the pins have not changed.
 *
 *     npm run setup:python            PYTHON=/path/to/python3 chooses another interpreter
 *
 * On a GPU machine PyPI's own torch brings CUDA; the index that pip is configured with decides.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findInterpreter, makeEnvironment, pipInstall } from './python-environment.ts';

const project = join(import.meta.dirname, '..', 'packages', 'gpu', 'python');
const requirements = join(project, 'requirements-dev.txt');
const hash = createHash('sha256');
for (const file of [requirements, join(project, 'pyproject.toml')]) hash.update(readFileSync(file));

makeEnvironment(
  {
    program: 'setup-python',
    directory: join(project, '.venv'),
    stamp: hash.digest('hex'),
    cost: 'downloads 0.3 GB and takes 1 GB of disk with PyTorch for CPUs, several more with CUDA',
  },
  () => findInterpreter(['python3', 'python'], [3, 10]),
  ({ python, run }) => {
    const torch = /^torch==\S+$/m.exec(readFileSync(requirements, 'utf8'))![0];
    // By itself first: pip then takes the build that it is configured for, and nothing else can ask for another.
    run(python, pipInstall(torch), `installing ${torch}, the largest part`);
    run(python, pipInstall('-r', requirements), 'installing the other pins');
    run(python, pipInstall('--no-deps', '--no-build-isolation', '--editable', project), 'installing the worker');
    console.log(`setup-python: ${python} is ready`);
  },
);
