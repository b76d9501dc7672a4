import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError } from '@agent-lightning/core';

/** A file of the app in memory. */
export interface StaticFile {
  readonly type: string;
  readonly body: Buffer;
  /** True for a file whose name changes with its content. */
  readonly isImmutable: boolean;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.md': 'text/plain; charset=utf-8',
};

/**
 * Reads the files of the built app by their paths, such as `/index.html`.
 * @throws {ConfigurationError} `option-invalid` where the app is not built, which happens in a checkout of the sources only
 */
export function readApp(
  directory: string = fileURLToPath(new URL('../../built-app', import.meta.url)),
): ReadonlyMap<string, StaticFile> {
  if (!existsSync(join(directory, 'index.html')))
    throw new ConfigurationError(
      `the pages of the dashboard are not built: ${directory} has no index.html; run npm run build:app -w @agent-lightning/dashboard`,
      { code: 'option-invalid' },
    );
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      const served = `/${relative(directory, path).split(sep).join('/')}`;
      const type = types[extname(name)] ?? 'application/octet-stream';
      return [served, { type, body: readFileSync(path), isImmutable: served.startsWith('/assets/') }];
    }),
  );
}
