/** Teaches Node to load the TypeScript files of the user as compilers would. */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { compileTypeScript, type CompiledSource } from './compile-typescript.ts';
import { isForCompiler } from './parse-source.ts';

let isRegistered = false;

/**
 * Lets Node, from 22.15 on and with whatever options it was started, load `.ts`, `.mts` and `.cts` files outside of packages. What is written
 * as an ES module is one, in a package of type `commonjs` too.
 */
export function loadTypeScript(): void {
  if (isRegistered) return;
  isRegistered = true;
  registerHooks({
    load: (url, context, nextLoad) => {
      if (!url.startsWith('file:') || url.includes('/node_modules/') || !/\.[cm]?ts(?:\?|$)/.test(url))
        return nextLoad(url, context);
      const path = fileURLToPath(url);
      let compiled: CompiledSource | undefined;
      try {
        compiled = compileFile(path);
      } catch (error) {
        if (!isForCompiler(error)) throw error;
        const loaded = nextLoad(url, context);
        // A compiler that the user has set up has done it, or nobody has.
        if (loaded.format?.endsWith('-typescript') !== false) throw error;
        return loaded;
      }
      // Node tells what is wrong with it.
      if (compiled === undefined) return nextLoad(url, context);
      const isModule = compiled.isModule || path.endsWith('.mts') || context.format?.startsWith('module') === true;
      return { format: isModule ? 'module' : 'commonjs', source: compiled.text, shortCircuit: true };
    },
  });
}

/** Compiles a file. @throws {SyntaxError} for what is no TypeScript; its message begins with the file and the line */
function compileFile(path: string): CompiledSource | undefined {
  const text = readFileSync(path, 'utf8');
  try {
    return compileTypeScript(text);
  } catch (error) {
    // Node writes the line before the message, and no file.
    if (error instanceof SyntaxError)
      error.message = `${path}${/^:\d+/.exec(error.stack ?? '')?.[0] ?? ''}: ${error.message}`;
    throw error;
  }
}
