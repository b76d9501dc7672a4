import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigurationError, type LightningStore } from '@agent-lightning/core';
import type { StoreConfig } from './standalone-config.ts';

type Opened = Pick<LightningStore, 'appendSpans'> & { readonly close?: () => Promise<void> };

/** Returns the location of a module: packages as the configuration's own folder resolves them, files relative to it. */
function locate(module: string, directory: string): string {
  if (module.startsWith('.')) return pathToFileURL(resolve(directory, module)).href;
  try {
    return pathToFileURL(createRequire(join(directory, 'configuration.json')).resolve(module)).href;
  } catch {
    // Not there: beside the gateway, then.
    return module;
  }
}

/** Opens the store that the configuration names: the gateway depends on none. @throws {ConfigurationError} `option-invalid` */
export async function openStore(config: StoreConfig, directory: string): Promise<Opened> {
  let loaded: Record<string, unknown>;
  try {
    loaded = (await import(locate(config.module, directory))) as Record<string, unknown>;
  } catch (cause) {
    throw new ConfigurationError(
      `agent-lightning-gateway: the store's module "${config.module}" cannot be loaded; install it beside the gateway: npm install ${config.module}`,
      { code: 'option-invalid', cause },
    );
  }
  const open = loaded[config.open];
  if (typeof open !== 'function')
    throw new ConfigurationError(`agent-lightning-gateway: "${config.module}" exports no function "${config.open}"`, {
      code: 'option-invalid',
    });
  const store = (await (open as (options: unknown) => unknown)(config.options)) as Partial<Opened> | undefined;
  if (typeof store?.appendSpans !== 'function')
    throw new ConfigurationError(
      `agent-lightning-gateway: what "${config.open}" of "${config.module}" returns is no store: it has no appendSpans`,
      { code: 'option-invalid' },
    );
  return store as Opened;
}
