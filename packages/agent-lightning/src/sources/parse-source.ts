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

/** Removes the types of a text, as Node's function of this name does. */
export type StripTypes = (text: string, options: { readonly mode: 'strip' | 'transform' }) => string;

/**
 * Removes the types from TypeScript. Enumerations and the like, which are more than types, are compiled, and lines then move.
 * @param strip Node's function, which compiles nothing from Node 26 on
 * @throws {SyntaxError} for what is no TypeScript, and for what this Node does not compile
 */
export function removeTypes(text: string, strip: StripTypes = module.stripTypeScriptTypes): string {
  try {
    return quietly(() => strip(text, { mode: 'strip' }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') throw error;
    return transform(text, strip, (error as Error).message);
  }
}

function transform(text: string, strip: StripTypes, reason: string): string {
  try {
    return quietly(() => strip(text, { mode: 'transform' }));
  } catch (error) {
    if (!isUnknownMode(error)) throw error;
    throw new SyntaxError(
      `${reason.trim()}. Node ${process.versions.node} removes types and compiles nothing: write it without enum, namespace and parameter properties, run Node 22 or 24, or install tsx and set NODE_OPTIONS="--import tsx"`,
      { cause: error },
    );
  }
}

/** Tells whether `removeTypes` found enumerations or the like, which this Node does not compile; a compiler that the user has set up may. */
export function isForCompiler(error: unknown): boolean {
  return error instanceof SyntaxError && isUnknownMode(error.cause);
}

function isUnknownMode(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ERR_INVALID_ARG_VALUE';
}

/** Removes types without Node's warning that this is experimental. */
function quietly(strip: () => string): string {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return strip();
  } finally {
    process.emitWarning = emitWarning;
  }
}
