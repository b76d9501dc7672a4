import { randomUUID } from 'node:crypto';

export interface StoredMetadata {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: readonly { readonly uid: string; readonly kind?: string }[];
}

/** An object of any kind. The fields are those of every kind, as tests read them. */
export interface StoredObject {
  readonly metadata: StoredMetadata;
  readonly spec?: unknown;
  readonly status?: unknown;
  readonly data?: Readonly<Record<string, string>>;
}

/** Keeps the objects of one namespace as an API server does: unique names, versions, and deletion of what an object owns. */
export class ObjectStore {
  readonly #objects = new Map<string, StoredObject>();
  readonly #onDelete: (kind: string, object: StoredObject) => void;
  #version = 0;

  constructor(onDelete: (kind: string, object: StoredObject) => void) {
    this.#onDelete = onDelete;
  }

  get(kind: string, name: string): StoredObject | undefined {
    return this.#objects.get(`${kind}/${name}`);
  }

  /** Stores a new object; undefined when its name is taken. */
  add(kind: string, given: { readonly metadata: object }): StoredObject | undefined {
    const { name } = given.metadata as { readonly name: string };
    if (this.get(kind, name) !== undefined) return undefined;
    const own = { uid: randomUUID(), creationTimestamp: new Date().toISOString() };
    return this.#put(kind, { ...given, metadata: { ...given.metadata, ...own } } as unknown as StoredObject);
  }

  /** Merges a change as RFC 7396 says; undefined when there is no such object. */
  merge(kind: string, name: string, change: unknown): StoredObject | undefined {
    const before = this.get(kind, name);
    const after = before && this.#put(kind, mergePatch(before, change) as StoredObject);
    // What belongs to something that is gone goes too.
    const owners = after?.metadata.ownerReferences ?? [];
    const ids = new Set([...this.#objects.values()].map(({ metadata }) => metadata.uid));
    if (owners.length > 0 && owners.every(({ uid }) => !ids.has(uid))) this.remove(kind, name);
    return after;
  }

  /** Deletes an object and, in the background as it were, all that have no other owner. */
  remove(kind: string, name: string): StoredObject | undefined {
    const object = this.get(kind, name);
    if (object === undefined) return undefined;
    this.#objects.delete(`${kind}/${name}`);
    this.#onDelete(kind, object);
    for (const [key, { metadata }] of this.#objects)
      if (metadata.ownerReferences?.length === 1 && metadata.ownerReferences[0]!.uid === object.metadata.uid)
        this.remove(key.split('/')[0]!, metadata.name);
    return object;
  }

  list(kind: string, labelSelector = '', fieldSelector = ''): readonly StoredObject[] {
    const all = [...this.#objects].filter(([key]) => key.startsWith(`${kind}/`)).map(([, object]) => object);
    return all.filter((object) => hasLabels(object, labelSelector) && hasField(object, fieldSelector));
  }

  #put(kind: string, object: StoredObject): StoredObject {
    object.metadata.resourceVersion = String(++this.#version);
    this.#objects.set(`${kind}/${object.metadata.name}`, object);
    return object;
  }
}

function hasLabels({ metadata }: StoredObject, selector: string): boolean {
  return selector.split(',').every((part) => {
    const [key, value] = part.split('=');
    return part === '' || (value === undefined ? key! in (metadata.labels ?? {}) : metadata.labels?.[key!] === value);
  });
}

function hasField(object: StoredObject, selector: string): boolean {
  const [path, value] = selector.split('=');
  const found = path!
    .split('.')
    .reduce<unknown>((part, key) => (part as Record<string, unknown> | undefined)?.[key], object);
  return selector === '' || found === value;
}

function mergePatch(before: unknown, change: unknown): unknown {
  if (typeof change !== 'object' || change === null || Array.isArray(change)) return change;
  const merged: Record<string, unknown> = typeof before === 'object' ? { ...before } : {};
  for (const [key, value] of Object.entries(change))
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  return merged;
}
