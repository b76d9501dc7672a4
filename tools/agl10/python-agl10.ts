import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findCacheDirectory } from '@agent-lightning/platform';
import { findInterpreter, makeEnvironment, pipInstall } from '../python-environment.ts';

const wanted = 'agentlightning==1.0.2';

/** Makes the environment with Agent Lightning 1.0.2 in the user's cache, unless it is there, and returns its interpreter. */
export function makeAgl10Environment(): string {
  const requirements = join(import.meta.dirname, 'requirements.txt');
  const directory = join(findCacheDirectory(), 'agl10-python');
  makeEnvironment(
    {
      program: 'test:agl10',
      directory,
      stamp: createHash('sha256').update(wanted).update(readFileSync(requirements)).digest('hex'),
      cost: `installing agentlightning 1.0.2 and what its controller and rollout managers need, 120 MB, into ${directory}; once`,
    },
    () => findInterpreter(['python3.12', 'python3.13', 'python3.11', 'python3'], [3, 11]),
    (steps) => {
      steps.run(steps.python, pipInstall('-r', requirements), 'installing the packages');
      // It asks for Python 3.12, and its controller and managers run with 3.11. The rest of what it asks for is for its server and Kubernetes.
      steps.run(
        steps.python,
        pipInstall('--no-deps', '--ignore-requires-python', wanted),
        'installing Agent Lightning',
      );
    },
  );
  return join(directory, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']));
}
