/** Follows the `paths` of a tsconfig.json, such as `@/*`, from the TypeScript files of the user. */
import { realpathSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { createPathsMatcher, getTsconfig } from 'get-tsconfig';
import { sourceEndings } from './source-endings.ts';

type Matcher = (specifier: string) => readonly string[];

const matchers = new Map<string, Matcher | null>();

/** Lets imports in TypeScript files outside of packages name other files by the `paths` of their tsconfig.json; a second call for a folder does nothing. */
export function followPaths(folder: string): void {
  const directory = realpathSync(folder);
  if (matchers.has(directory)) return;
  const tsconfig = getTsconfig(directory);
  const match = tsconfig === null ? null : createPathsMatcher(tsconfig);
  matchers.set(directory, match);
  if (match === null) return;
  const home = pathToFileURL(`${directory}/`).href;
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      const { parentURL = '' } = context;
      const isOwn = parentURL.startsWith(home) && !parentURL.includes('/node_modules/');
      if (!isOwn || /^(?:\.|\/|node:|file:)/.test(specifier)) return nextResolve(specifier, context);
      // As compilers do, and Node's other resolvers after them: a path that is there comes before a package of the name.
      for (const path of match(specifier)) {
        for (const ending of sourceEndings) {
          try {
            return nextResolve(pathToFileURL(path.replace(/\.js$/, ending === '' ? '.js' : '') + ending).href, context);
          } catch {
            continue; // the next file may be there; where none is, the name is that of a package
          }
        }
      }
      return nextResolve(specifier, context);
    },
  });
}
