/** Removes the types of TypeScript and parses source files, without running them. */
import module from 'node:module';
import { parse, type Options, type Program } from 'acorn';

const options: Options = {
  ecmaVersion: 'latest',
  sourceType: 'module',
  allowHashBang: true,
  allowReturnOutsideFunction: true,
  allowAwaitOutsideFunction: true,
  locations: true,
};

/** Returns the syntax tree of a source text, or undefined where it cannot be parsed (JSX, decorators, a mistake). */
export function parseSource(path: string, text: string): Program | undefined {
  try {
    return parse(/\.[cm]?ts$/.test(path) ? removeTypes(text) : text, options);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Removes the types from TypeScript. Enumerations and the like, which are more than types, are compiled, and lines then move.
 * @throws {SyntaxError} for what is no TypeScript
 */
export function removeTypes(text: string): string {
  try {
    return stripQuietly(text, 'strip');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') throw error;
    return stripQuietly(text, 'transform');
  }
}

/** Removes the types by Node's own means, without its warning that they are experimental. */
function stripQuietly(text: string, mode: 'strip' | 'transform'): string {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return module.stripTypeScriptTypes(text, { mode });
  } finally {
    process.emitWarning = emitWarning;
  }
}
