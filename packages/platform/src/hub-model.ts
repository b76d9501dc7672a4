/** Finds models that were downloaded from the Hugging Face hub. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findCacheDirectory } from './cache-directory.ts';

/** A model of the hub: `organization/name`, and the branch, tag or commit behind an `@`. */
export interface HubModelId {
  readonly repository: string;
  /** @default 'main' */
  readonly revision: string;
}

const form = /^([A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95})(?:@([A-Za-z0-9](?:[\w./-]{0,126}[\w-])?))?$/;

/** Reads the id of a model of the hub, such as `Qwen/Qwen3-0.6B` or `Qwen/Qwen3-0.6B@main`; undefined for any other text. */
export function parseHubModelId(text: string): HubModelId | undefined {
  const [, repository, revision = 'main'] = form.exec(text) ?? [];
  return repository === undefined || text.includes('..') ? undefined : { repository, revision };
}

/** Returns where a model of the hub is, or will be. */
export function findHubModel(
  { repository, revision }: HubModelId,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const folder = `${repository.replace('/', '--')}@${revision.replaceAll('/', '--')}`;
  return join(findCacheDirectory(environment), 'models', 'hub', folder);
}

/** Tells whether a model of the hub is there. It appears whole or not at all. */
export function hasHubModel(id: HubModelId, environment: NodeJS.ProcessEnv = process.env): boolean {
  return existsSync(join(findHubModel(id, environment), 'config.json'));
}
