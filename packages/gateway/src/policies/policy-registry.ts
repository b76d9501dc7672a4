import { check, type PolicySnapshot, GatewayError, type PolicyRoutes } from '@agent-lightning/core';
import { ReplyError } from '../http/reply-error.ts';
import { isAmongNames, wholeNames, type ModelNames } from './answered-names.ts';
import { isHttpUrl } from './model-options.ts';
import { checkRoutes, chooseModel } from './policy-routes.ts';

/** A snapshot that a call was admitted to, and holds until the call is over. */
export interface Admission {
  readonly policy: string;
  /** False for a model of the user's own, which is passed through. */
  readonly isPolicy: boolean;
  readonly snapshot: PolicySnapshot;
  leave(): void;
}

/** Other names that a model is asked for by. */
export interface OtherNames {
  /** The model that answers to them. */
  readonly model: string;
  readonly names: ModelNames;
}

interface Entry {
  readonly snapshot: PolicySnapshot;
  readonly isPolicy: boolean;
  calls: number;
  readonly waiting: (() => void)[];
}

/** Named models and the snapshot that each is served by now. */
export class PolicyRegistry {
  readonly #current = new Map<string, Entry>();
  /** Replaced snapshots that still have calls. */
  readonly #leaving = new Map<string, Set<Entry>>();
  #routed: { readonly model: string; readonly routes: PolicyRoutes } | undefined;

  /** Creates a registry. @param models the user's own, which no snapshot replaces */
  constructor(models: ReadonlyMap<string, PolicySnapshot> = new Map()) {
    for (const [name, snapshot] of models)
      this.#current.set(name, { snapshot, isPolicy: false, calls: 0, waiting: [] });
  }

  /** Returns the names of everything that is served. */
  get names(): readonly string[] {
    const routed = this.#routed === undefined ? [] : [this.#routed.model];
    return [...new Set([...routed, ...this.#current.keys()])];
  }

  /** Sends new calls to `snapshot` from now on; calls in flight finish where they are. @throws {GatewayError} `request-invalid` */
  publish(policy: string, snapshot: PolicySnapshot): void {
    checkSnapshot(policy, snapshot);
    const replaced = this.#current.get(policy);
    if (replaced?.isPolicy === false)
      throw new GatewayError(`"${policy}" is a model of the user's own; publish the policy under another name`, {
        code: 'request-invalid',
      });
    if (replaced !== undefined && replaced.calls > 0) {
      const leaving = this.#leaving.get(policy) ?? new Set();
      this.#leaving.set(policy, leaving.add(replaced));
    } else replaced?.waiting.forEach((resolve) => resolve());
    this.#current.set(policy, { snapshot, isPolicy: true, calls: 0, waiting: [] });
  }

  /** Sends calls for `model` to a policy by their caller's names from now on. @throws {GatewayError} `request-invalid` */
  route(model: string, routes: PolicyRoutes): void {
    checkRoutes(routes);
    const { otherwise } = routes;
    if (otherwise !== undefined) {
      checkSnapshot(otherwise.name, otherwise.snapshot);
      if (this.#current.has(otherwise.name) && this.#routed?.routes.otherwise?.name !== otherwise.name)
        throw new GatewayError(
          `"${otherwise.name}" is served already; give the model for callers that no policy matches another name`,
          { code: 'request-invalid' },
        );
      this.#current.set(otherwise.name, { snapshot: otherwise.snapshot, isPolicy: false, calls: 0, waiting: [] });
    }
    this.#routed = { model, routes };
  }

  /** Returns every model, the snapshot that serves it and the calls that run on it. */
  list(): readonly {
    readonly name: string;
    readonly isPolicy: boolean;
    readonly snapshot: PolicySnapshot;
    readonly calls: number;
  }[] {
    return [...this.#current].map(([name, { isPolicy, snapshot, calls }]) => ({ name, isPolicy, snapshot, calls }));
  }

  current(policy: string): PolicySnapshot | undefined {
    return this.#current.get(policy)?.snapshot;
  }

  /**
   * Returns the name of the model that a call for `asked` means: itself where it is served, else the one that answers to it.
   */
  resolve(asked: string, others: OtherNames): string {
    const isServed = this.#current.has(asked) || asked === this.#routed?.model;
    return !isServed && isAmongNames(asked, others.names) ? others.model : asked;
  }

  /** Returns the names that clients may ask for, without those that only a pattern matches. */
  listed({ model, names }: OtherNames): readonly string[] {
    const served = this.names;
    return served.includes(model) ? [...new Set([...served, ...wholeNames(names)])] : served;
  }

  /**
   * Stamps a call with the snapshot of this moment.
   * @param callerNames most specific first; they choose where the model is routed
   * @throws {ReplyError} `not-found` for an unknown model, or a caller that no policy answers; `paused` with status 503 before the first one is published
   */
  admit(model: string, callerNames: readonly string[] = []): Admission {
    const policy = model === this.#routed?.model ? chooseModel(this.#routed.routes, callerNames) : model;
    const entry = this.#current.get(policy);
    if (entry === undefined) throw this.#unknownModel(policy);
    entry.calls += 1;
    return { policy, isPolicy: entry.isPolicy, snapshot: entry.snapshot, leave: () => this.#leave(policy, entry) };
  }

  /** Returns the error of a call for a model that is not served. A gateway that has none yet is that of a trainer that starts or resumes: clients try again. */
  #unknownModel(model: string): ReplyError {
    const known = this.names.map((name) => `"${name}"`).join(', ');
    if (known === '')
      return new ReplyError('no policy is published yet', {
        code: 'paused',
        status: 503,
        retryable: true,
        headers: { 'retry-after': '1' },
      });
    return new ReplyError(
      `the model "${model.slice(0, 100)}" does not exist; there are ${known}. An agent that has another name in its code is answered with the option answersTo`,
      { code: 'not-found', param: 'model', replyCode: 'model_not_found' },
    );
  }

  /** Resolves when no call runs on this or an older version of the policy, and it is no longer the current one. */
  async drained(policy: string, version: number): Promise<void> {
    const current = this.#current.get(policy);
    const entries = [...(this.#leaving.get(policy) ?? []), ...(current === undefined ? [] : [current])].filter(
      (entry) => entry.snapshot.version <= version,
    );
    await Promise.all(entries.map((entry) => new Promise<void>((resolve) => entry.waiting.push(resolve))));
  }

  #leave(policy: string, entry: Entry): void {
    entry.calls -= 1;
    if (entry.calls > 0 || this.#current.get(policy) === entry) return;
    this.#leaving.get(policy)?.delete(entry);
    for (const resolve of entry.waiting.splice(0)) resolve();
  }
}

/** The fields of each kind of snapshot. */
const snapshotFields = {
  engine: ['kind', 'version', 'engine'],
  openai: ['kind', 'version', 'baseUrl', 'replicas', 'model', 'apiKey', 'watch', 'reportsTokens'],
} as const;

/** @throws {ConfigurationError} `option-invalid` for a kind or a field that there is not @throws {GatewayError} `request-invalid` */
function checkSnapshot(policy: string, snapshot: PolicySnapshot): void {
  const owner = `the snapshot of policy "${policy.slice(0, 200)}"`;
  check.knownOptions(
    owner,
    snapshot,
    snapshotFields[snapshot?.kind] ?? [...new Set(Object.values(snapshotFields).flat())],
  );
  check.oneOf(`${owner}: kind`, snapshot.kind, ['engine', 'openai']);
  const invalid = (problem: string): GatewayError => new GatewayError(problem, { code: 'request-invalid' });
  if (policy === '' || policy.length > 200)
    throw invalid(`a policy's name must have 1 to 200 characters, not ${policy.length}`);
  if (!Number.isInteger(snapshot.version) || snapshot.version < 0)
    throw invalid(`version ${snapshot.version} of policy "${policy}" must be an integer of at least 0`);
  if (snapshot.kind === 'engine') return;
  for (const url of [snapshot.baseUrl, ...(snapshot.replicas ?? [])])
    if (!isHttpUrl(url))
      throw invalid(
        `the base URL of policy "${policy}" must be an http or https address, not "${String(url).slice(0, 80)}"`,
      );
}
