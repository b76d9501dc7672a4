import type { JsonValue, LightningStore, NamedResources, ResourcesVersion } from '@agent-lightning/core';
import { LightningError } from '@agent-lightning/core';
import type { FieldReader } from './read-fields.ts';
import type { AglResources, JsonObject } from './shapes.ts';

type Resource = NamedResources[string];

const types = ['llm', 'proxy_llm', 'prompt_template'] as const;

/** Reads a map of resources as 0.3 sends it; what is wrong goes to the reader. */
export function readResources(body: JsonObject, reader: FieldReader): NamedResources {
  const entries = Object.entries(body).map(([name, value]): [string, Resource] => {
    const type = isObject(value) ? value['resource_type'] : undefined;
    const expected = types.map((each) => `'${each}'`).join(', ');
    if (type === undefined)
      reader.complain('union_tag_not_found', "Unable to extract tag using discriminator 'resource_type'", value, name, {
        discriminator: "'resource_type'",
      });
    else if (!types.includes(type as never))
      reader.complain(
        'union_tag_invalid',
        `Input tag '${String(type)}' found using 'resource_type' does not match any of the expected tags: ${expected}`,
        value,
        name,
        { discriminator: "'resource_type'", tag: type, expected_tags: expected },
      );
    return [name, toOurs((isObject(value) ? value : {}) as JsonObject)];
  });
  return Object.fromEntries(entries);
}

/** Returns a resource of ours: a prompt that our agents can use too, else the resource as it came. */
function toOurs(resource: JsonObject): Resource {
  const { resource_type: type, template, engine } = resource;
  if (type !== 'prompt_template') return { type: 'json', value: withDefaults(resource) };
  if (typeof template === 'string' && engine === 'f-string') return { type: 'prompt_template', template, engine };
  if (typeof template === 'string' && engine === 'jinja') return { type: 'prompt_template', template, engine };
  return { type: 'json', value: resource };
}

function withDefaults(resource: JsonObject): JsonObject {
  return { api_key: null, sampling_parameters: {}, ...resource };
}

/** Returns a resource as 0.3 has it; undefined for one that it cannot know, such as a model that only a gateway serves. */
function toTheirs(resource: Resource): JsonValue | undefined {
  if (resource.type === 'prompt_template')
    return { resource_type: 'prompt_template', template: resource.template, engine: resource.engine };
  if (resource.type !== 'json' || !isObject(resource.value)) return undefined;
  return types.includes(resource.value['resource_type'] as never) ? resource.value : undefined;
}

/** Reads the resources of our store for clients of 0.3, and knows which there are. */
export class AglResourcesView {
  readonly #store: LightningStore;
  readonly #ids: Set<string> = new Set();

  constructor(store: LightningStore) {
    this.#store = store;
  }

  /** Follows the store's events from the oldest on, so that resources are listed which others put, also before this server was started. */
  async follow(signal: AbortSignal): Promise<void> {
    try {
      for await (const { type, id } of this.#store.subscribe({ cursor: '0', signal }))
        if (type === 'resources') this.#ids.add(id);
    } catch (error) {
      // The oldest events are gone, or the store is closed: what was read is known, and what comes through this server.
      if (!LightningError.isInstance(error)) throw error;
    }
  }

  async put(resourcesId: string, resources: NamedResources): Promise<AglResources> {
    const version = await this.#store.putResources(resourcesId, resources);
    this.#ids.add(resourcesId);
    return this.#show(version);
  }

  async get(resourcesId: string): Promise<AglResources | null> {
    const found = await this.#store.getResources(resourcesId);
    return found === undefined ? null : this.#show(found);
  }

  async latest(): Promise<AglResources | null> {
    const found = await this.#store.latestResources();
    return found === undefined ? null : this.#show(found);
  }

  /** Returns the newest version of every id. */
  async list(): Promise<readonly AglResources[]> {
    const latest = await this.#store.latestResources();
    if (latest !== undefined) this.#ids.add(latest.resourcesId);
    const shown: AglResources[] = [];
    for (const id of this.#ids) {
      const found = await this.get(id);
      if (found !== null) shown.push(found);
    }
    return shown;
  }

  async #show({ resourcesId, version, resources, createdAtMs }: ResourcesVersion): Promise<AglResources> {
    const first = version === 1 ? undefined : await this.#store.getResources(resourcesId, 1);
    const entries = Object.entries(resources).flatMap(([name, resource]): [string, JsonValue][] => {
      const shown = toTheirs(resource);
      return shown === undefined ? [] : [[name, shown]];
    });
    return {
      resources_id: resourcesId,
      create_time: (first?.createdAtMs ?? createdAtMs) / 1_000,
      update_time: createdAtMs / 1_000,
      version,
      resources: Object.fromEntries(entries),
    };
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
