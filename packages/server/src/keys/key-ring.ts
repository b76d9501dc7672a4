import { check, StoreError, type Lease } from '@agent-lightning/core';
import { readAgentKey, signAgentKey } from './agent-key.ts';
import { roles, type Caller, type Role } from './caller.ts';
import { emptyKeyFile, markOf, readKeyFile, writeKeyFile, type KeyFile, type KeyRecord } from './key-file.ts';
import { checkKey, hashKey, keyIdOf, mintKey } from './key-text.ts';

export interface KeyRingOptions {
  /** The file that keeps the hashes of the keys; it is made when the first key is added. Another process may change it at any time. @default none: keys live as long as this object */
  readonly file?: string;
  /** Returns the time, in milliseconds since the epoch, by which keys expire. @default Date.now */
  readonly now?: () => number;
}

export interface NewKey {
  readonly role: Exclude<Role, 'agent'>;
  /** Says who has the key. */
  readonly label?: string;
  /** The time until it expires. @default never */
  readonly expiresInMs?: number;
  /** The key itself, at least 43 characters that nobody can guess. @default a new one of 256 bits */
  readonly key?: string;
}

const mostLabelCharacters = 200;
/** The shortest time between two looks at the file. */
const lookEveryMs = 1_000;
/** An agent's key outlives no attempt by more than this. */
const agentKeyMs = 7 * 24 * 3_600_000;

/** Knows which key belongs to which role. Keeps hashes only. A key that is added to its file counts at once, one that is revoked there within a second. */
export class KeyRing {
  readonly #file: string | undefined;
  readonly #now: () => number;
  #content: KeyFile = emptyKeyFile();
  #byHash: ReadonlyMap<string, KeyRecord> = new Map();
  #mark: string | undefined;
  #lookedAtMs: number = -Infinity;
  #changing: Promise<unknown> = Promise.resolve();

  /** @throws {ConfigurationError} `option-invalid` for a file that is no key file */
  constructor(options: KeyRingOptions = {}) {
    check.knownOptions('KeyRing', options, ['file', 'now']);
    this.#file = options.file;
    this.#now = options.now ?? Date.now;
    this.#look();
  }

  /** Returns the keys that there are, without the keys themselves. */
  list(): readonly KeyRecord[] {
    this.#look();
    return this.#content.keys;
  }

  /** Returns who has this key, or undefined when nobody has, or it has expired or was revoked. */
  identify(key: string): Caller | undefined {
    if (this.#now() - this.#lookedAtMs >= lookEveryMs) this.#lookAgain();
    const grant = readAgentKey(this.#agentSecret, key, this.#now());
    if (grant !== undefined) return { role: 'agent', keyId: `agent ${grant.lease.attemptId}`, lease: grant.lease };
    const record = this.#find(hashKey(key));
    if (record === undefined || (record.expiresAtMs ?? Infinity) <= this.#now()) return undefined;
    return { role: record.role, keyId: record.id };
  }

  /** Adds a key and returns it: this is the only time that it can be seen. @throws {ConfigurationError} `option-invalid` */
  async add(options: NewKey): Promise<{ readonly key: string; readonly id: string }> {
    check.knownOptions('add', options, ['role', 'label', 'expiresInMs', 'key']);
    const { role, label, expiresInMs } = options;
    check.oneOf('role', role, roles.filter((each) => each !== 'agent') as (typeof role)[]);
    if (expiresInMs !== undefined) check.positive('expiresInMs', expiresInMs);
    if (label !== undefined && (typeof label !== 'string' || label.length > mostLabelCharacters))
      throw check.optionInvalid('label', label, `a text of at most ${mostLabelCharacters} characters`);
    const key = options.key === undefined ? mintKey(role) : checkKey('key', options.key);
    const hash = hashKey(key);
    const nowMs = this.#now();
    const record: KeyRecord = {
      id: keyIdOf(hash),
      role,
      hash,
      ...(label === undefined ? {} : { label }),
      createdAtMs: nowMs,
      ...(expiresInMs === undefined ? {} : { expiresAtMs: nowMs + expiresInMs }),
    };
    await this.#change((keys) => [...keys.filter((each) => each.hash !== hash), record]);
    return { key, id: record.id };
  }

  /** Removes a key: requests with it are refused from now on. @throws {StoreError} `not-found` */
  async revoke(id: string): Promise<void> {
    await this.#change((keys) => {
      const left = keys.filter((each) => each.id !== id);
      if (left.length === keys.length)
        throw new StoreError(`there is no key ${JSON.stringify(id)}; list the keys to see their ids`, {
          code: 'not-found',
        });
      return left;
    });
  }

  /** Returns a key with which an agent can write to this one attempt, until the attempt ends. */
  mintAgentKey(lease: Lease, expiresInMs: number = agentKeyMs): string {
    return signAgentKey(this.#agentSecret, { lease, expiresAtMs: this.#now() + expiresInMs });
  }

  /** Returns the key of a hash. One that is not known may have been added just now. */
  #find(hash: string): KeyRecord | undefined {
    if (!this.#byHash.has(hash)) this.#lookAgain();
    return this.#byHash.get(hash);
  }

  get #agentSecret(): Buffer {
    return Buffer.from(this.#content.agentSecret, 'base64url');
  }

  /** Changes the keys one after the other, beginning with what the file has now. */
  #change(work: (keys: readonly KeyRecord[]) => readonly KeyRecord[]): Promise<void> {
    const change = this.#changing.then(async () => {
      this.#look();
      const content = { ...this.#content, keys: work(this.#content.keys) };
      if (this.#file !== undefined) await writeKeyFile(this.#file, content);
      this.#take(content);
    });
    this.#changing = change.catch(() => undefined);
    return change;
  }

  /** Takes what the file has now. @throws {ConfigurationError} for a file that is no key file */
  #look(): void {
    this.#lookedAtMs = this.#now();
    if (this.#file === undefined) return;
    const mark = markOf(this.#file);
    if (mark === undefined || mark === this.#mark) return;
    this.#take(readKeyFile(this.#file));
    this.#mark = mark;
  }

  /** Looks at the file while requests come: a broken one leaves the keys as they were, and nobody is let in by it. */
  #lookAgain(): void {
    try {
      this.#look();
    } catch {
      // `list`, `add` and `revoke` say what is wrong with it.
    }
  }

  #take(content: KeyFile): void {
    this.#content = content;
    this.#byHash = new Map(content.keys.map((record) => [record.hash, record]));
  }
}
