/** Finds the files of a published data set. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { ConfigurationError } from '@agent-lightning/core';

/** Returns the first of these files that a directory has. @throws {ConfigurationError} `option-invalid` when it has none */
export function findTaskFile(directory: string, names: readonly string[]): string {
  const found = names.map((name) => join(directory, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new ConfigurationError(
    `${directory} has none of ${names.join(', ')}; give the directory of the unpacked data set`,
    {
      code: 'option-invalid',
    },
  );
}
