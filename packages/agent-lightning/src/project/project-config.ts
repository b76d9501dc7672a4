import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { configNames } from '../config/find-config.ts';

/** Returns the name of the configuration that a project has, or undefined. */
export function findProjectConfig(directory: string): string | undefined {
  return configNames.find((name) => existsSync(join(directory, name)));
}
