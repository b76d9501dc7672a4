import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigurationError } from '@agent-lightning/core';

/**
 * Returns the path of a file or folder that a package carries beside its code.
 * @param moduleUrl the `import.meta.url` of the module that asks, which a bundle in CommonJS does not have
 * @param path from that module, such as `../../python/`
 * @throws {ConfigurationError} `option-unsupported` where it is not there: in a bundle, which holds code alone
 */
export function findOwnFile(moduleUrl: string | undefined, path: string, packageName: string): string {
  const found = moduleUrl === undefined ? undefined : fileURLToPath(new URL(path, moduleUrl));
  if (found !== undefined && existsSync(found)) return found;
  throw new ConfigurationError(
    `${packageName} needs ${path.replace(/^[./]+/, '')} beside its code, which is not there, as in a bundle; leave the package out of the bundle (esbuild --external:${packageName}) and install it beside the app`,
    { code: 'option-unsupported' },
  );
}
