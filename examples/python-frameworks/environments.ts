/** The Python environments of the frameworks: where each is. */
import { join } from 'node:path';

export interface PythonEnvironment {
  readonly directory: string;
  /** The file with the pinned packages. */
  readonly requirements: string;
  /** Its interpreter. */
  readonly python: string;
}

/** Returns the environment of a framework, made or not. */
export function environmentOf(framework: string): PythonEnvironment {
  const directory = join(import.meta.dirname, '.venv', framework);
  return {
    directory,
    requirements: join(import.meta.dirname, 'requirements', `${framework}.txt`),
    python: join(directory, 'bin', 'python'),
  };
}
