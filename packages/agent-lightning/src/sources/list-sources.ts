/** Lists the source files of a project in which an agent may be. */
import { readdirSync, type Dirent } from 'node:fs';
import { join } from 'node:path';

/** Folders that hold what was installed, built or written for tests; besides those whose name begins with a dot. */
const skippedFolders: ReadonlySet<string> = new Set(
  'node_modules dist build out coverage vendor public static __tests__ __mocks__ test tests fixtures e2e lightning runs'.split(
    ' ',
  ),
);

const sourceName = /\.[cm]?[jt]s$/;
const skippedName = /\.d\.[cm]?ts$|\.(?:test|spec|stories|config|setup)\.[cm]?[jt]s$/;

/** Returns the paths of JavaScript and TypeScript files below a folder, relative to it with forward slashes, nearest to the root first; what this user may not read is left out. */
export function listSources(directory: string): readonly string[] {
  const found: string[] = [];
  for (let folders = ['']; folders.length > 0;) {
    const next: string[] = [];
    for (const folder of folders) {
      for (const entry of readFolder(join(directory, folder)).toSorted(byName)) {
        const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
        if (entry.isDirectory() && !entry.name.startsWith('.') && !skippedFolders.has(entry.name)) next.push(path);
        if (entry.isFile() && sourceName.test(entry.name) && !skippedName.test(entry.name)) found.push(path);
      }
    }
    folders = next;
  }
  return found;
}

function readFolder(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (isForbidden(error)) return [];
    throw error;
  }
}

/** Tells whether an error says that this user may not read a file or a folder, such as that of a database. */
export function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function byName(left: { readonly name: string }, right: { readonly name: string }): number {
  return left.name < right.name ? -1 : 1;
}
