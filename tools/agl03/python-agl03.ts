import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findCacheDirectory } from '@agent-lightning/platform';
import { findInterpreter, makeEnvironment, pipInstall } from '../python-environment.ts';

const here = import.meta.dirname;

/** Makes the environment with Agent Lightning 0.3.0 in the user's cache, unless it is there, and returns its interpreter. */
export function makeAgl03Environment(): string {
  const files = ['requirements.txt', 'constraints.txt'].map((name) => join(here, name));
  const stamp = createHash('sha256');
  for (const file of files) stamp.update(readFileSync(file));
  const directory = join(findCacheDirectory(), 'agl03-python');
  makeEnvironment(
    {
      program: 'test:agl03',
      directory,
      stamp: stamp.digest('hex'),
      cost: `installing agentlightning 0.3.0 and its 150 packages, 750 MB, into ${directory}; once`,
    },
    () => findInterpreter(['python3.11', 'python3.12', 'python3.13', 'python3'], [3, 10], [3, 14]),
    (steps) => {
      const [requirements = '', constraints = ''] = files;
      steps.run(steps.python, pipInstall('-c', constraints, '-r', requirements), 'installing the packages');
    },
  );
  return join(directory, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']));
}
