import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { check, ConfigurationError, type JsonValue } from '@agent-lightning/core';
import type { RolloutFunction } from '@agent-lightning/runner';
import { followPaths } from '../sources/follow-paths.ts';
import { loadTypeScript } from '../sources/load-typescript.ts';
import type { LightningConfig } from './define-config.ts';
import { findTypeScriptSources } from './typescript-sources.ts';

/**
 * Loads a config file, an ES module or CommonJS, in JavaScript or TypeScript. The variables of a file `.env` beside it are set first, where they
 * are not set yet: agents read their keys when they are loaded.
 * @throws {ConfigurationError} `option-invalid` for a file that does not load, with what to do, and for one that exports no config
 */
export async function loadConfig(path: string): Promise<LightningConfig<JsonValue>> {
  return checkConfig(path, await loadDefault(path));
}

/**
 * Loads a file whose default export is a rollout function, or a config that has one.
 * @throws {ConfigurationError} `option-invalid` as `loadConfig`, and for another export
 */
export async function loadRollout(path: string): Promise<RolloutFunction<JsonValue>> {
  const loaded = await loadDefault(path);
  const rollout =
    typeof loaded === 'function' ? loaded : (loaded as { readonly rollout?: unknown } | undefined)?.rollout;
  if (typeof rollout === 'function') return rollout as RolloutFunction<JsonValue>;
  throw check.optionInvalid(
    `the default export of ${path}`,
    loaded,
    'the function that runs the agent on one task, or what defineConfig({ rollout, … }) returns',
  );
}

async function loadDefault(path: string): Promise<unknown> {
  loadTypeScript();
  findTypeScriptSources();
  followPaths(dirname(path));
  const variables = join(dirname(path), '.env');
  if (existsSync(variables)) process.loadEnvFile(variables);
  let loaded: { readonly default?: unknown };
  try {
    loaded = (await import(/* @vite-ignore */ pathToFileURL(path).href)) as typeof loaded;
  } catch (cause) {
    throw new ConfigurationError(`${path} cannot be loaded: ${describeLoading(cause)}`, {
      code: 'option-invalid',
      cause,
    });
  }
  return unwrap(loaded.default);
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

/** Says why a file does not load, and what to do where its TypeScript is the reason. */
function describeLoading(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as NodeJS.ErrnoException;
  const advice =
    code === 'ERR_UNKNOWN_FILE_EXTENSION'
      ? '. Read are .ts, .mts and .cts; for others, such as .tsx, let a loader read it, such as tsx: npm install --save-dev tsx, and set NODE_OPTIONS="--import tsx"'
      : '';
  return `${cause.message.split('\nRequire stack')[0]!.trim()}${advice}`;
}
