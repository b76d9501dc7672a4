import { registerHooks, type ResolveHookContext } from 'node:module';

let isRegistered = false;

/**
 * Lets TypeScript files of the user import each other as compilers allow: `./agent.js` and `./agent` find `agent.ts`. Node itself asks for
 * the ending `.ts`. Files of packages, and imports that Node finds, stay as they are.
 */
export function findTypeScriptSources(): void {
  if (isRegistered) return;
  isRegistered = true;
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      try {
        return nextResolve(specifier, context);
      } catch (error) {
        for (const candidate of listCandidates(specifier, context)) {
          try {
            return nextResolve(candidate, context);
          } catch {
            continue; // the next name may be there; where none is, the first error is told
          }
        }
        throw error;
      }
    },
  });
}

/** Returns the names under which the TypeScript source of an import may be. */
export function listCandidates(
  specifier: string,
  { parentURL }: Pick<ResolveHookContext, 'parentURL'>,
): readonly string[] {
  const isOwn = parentURL !== undefined && /\.[cm]?ts$/.test(parentURL) && !parentURL.includes('/node_modules/');
  if (!isOwn || !/^\.{1,2}(\/|$)/.test(specifier)) return [];
  const [, stem, ending] = /^(.*?)(?:\.([cm]?)js)?$/.exec(specifier)!;
  if (ending !== undefined) return [`${stem}.${ending}ts`];
  return [`${specifier}.ts`, `${specifier}.mts`, `${specifier}.cts`, `${specifier}/index.ts`];
}
