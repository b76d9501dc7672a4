import { pathToFileURL } from 'node:url';
import { check, ConfigurationError, type JsonValue } from '@agent-lightning/core';
import type { LightningConfig } from './define-config.ts';
import { findTypeScriptSources } from './typescript-sources.ts';

/**
 * Loads a config file, an ES module or CommonJS, with Node's own reading of TypeScript.
 * @throws {ConfigurationError} `option-invalid` for a file that does not load, with what to do, and for one that exports no config
 */
export async function loadConfig(path: string): Promise<LightningConfig<JsonValue>> {
  if (/\.[cm]?ts$/.test(path)) {
    requireTypeScript(path);
    findTypeScriptSources();
  }
  let loaded: { readonly default?: unknown };
  try {
    loaded = (await import(/* @vite-ignore */ pathToFileURL(path).href)) as typeof loaded;
  } catch (cause) {
    throw new ConfigurationError(`${path} cannot be loaded: ${describeLoading(cause)}`, {
      code: 'option-invalid',
      cause,
    });
  }
  return checkConfig(path, unwrap(loaded.default));
}

/** Returns the config of a TypeScript file that was compiled to CommonJS, whose default export is one level deeper. */
function unwrap(exported: unknown): unknown {
  const inner = (exported as { readonly __esModule?: boolean; readonly default?: unknown } | undefined)?.default;
  return inner !== undefined && (exported as { readonly rollout?: unknown }).rollout === undefined ? inner : exported;
}

function checkConfig(path: string, config: unknown): LightningConfig<JsonValue> {
  if (typeof config !== 'object' || config === null)
    throw check.optionInvalid(`the default export of ${path}`, config, 'what defineConfig({ rollout, train }) returns');
  const { rollout, train } = config as Partial<LightningConfig<JsonValue>>;
  if (typeof rollout !== 'function')
    throw check.optionInvalid(`${path}: rollout`, rollout, 'the function that runs the agent on one task');
  if (!Array.isArray(train) && typeof train !== 'function')
    throw check.optionInvalid(`${path}: train`, train, 'an array of tasks, or a function that returns one');
  return config as LightningConfig<JsonValue>;
}

const bySomeoneElse =
  'a loader of TypeScript reads it, such as tsx: npm install --save-dev tsx, and set NODE_OPTIONS="--import tsx"';

function requireTypeScript(path: string): void {
  const { typescript } = process.features as { readonly typescript?: unknown };
  const hasLoader =
    process.execArgv.join(' ').includes('tsx') || /tsx|ts-node|jiti/.test(process.env['NODE_OPTIONS'] ?? '');
  if ((typescript !== false && typescript !== undefined) || hasLoader) return;
  throw new ConfigurationError(
    `${path}: Node ${process.versions.node} reads no TypeScript. Use Node 22.18 or later, or 24; or set NODE_OPTIONS=--experimental-strip-types; or name the file lightning.config.js and write it in JavaScript; or ${bySomeoneElse}.`,
    { code: 'option-invalid' },
  );
}

/** Says why a file does not load, and what to do where Node's reading of TypeScript is the reason. */
function describeLoading(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as NodeJS.ErrnoException;
  const advice =
    code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
      ? `. Node takes types away and does not translate enum, namespace and parameter properties: set NODE_OPTIONS=--experimental-transform-types, or ${bySomeoneElse}`
      : code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
        ? `. Where the name is a path of your tsconfig.json, which Node does not know, ${bySomeoneElse}`
        : code === 'ERR_UNKNOWN_FILE_EXTENSION'
          ? `. Node reads .ts, .mts and .cts; for others, such as .tsx, ${bySomeoneElse}`
          : '';
  return `${cause.message.split('\nRequire stack')[0]!.trim()}${advice}`;
}
