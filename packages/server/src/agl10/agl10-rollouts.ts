import { randomUUID } from 'node:crypto';
import type { Claim, EnqueueRequest, LightningStore, Rollout } from '@agent-lightning/core';
import { isFinalRolloutStatus, isId } from '@agent-lightning/store';
import { RequestError } from '../http/request-error.ts';
import {
  firstAttempt,
  type Agl10Rollout,
  type JsonObject,
  type RolloutCreate,
  type State,
  type StatusPatch,
} from './agl10-shapes.ts';
import { KeyedTurns } from '../keyed-turns.ts';
import { EndedRollouts } from './ended-rollouts.ts';

/** The member of a rollout's metadata that holds what our rollouts have no field for. */
const metaName = 'agl10';

interface Meta {
  readonly config: JsonObject;
  readonly metadata: JsonObject;
}

/** Holds what a controller said of a rollout that our store has no place for. It is kept in memory; without it the view follows from the store. */
interface Note {
  readonly state?: State;
  readonly version: number;
  readonly updatedAtMs: number;
  readonly k8s_job_name?: string | null;
  readonly last_attempt_id?: string | null;
  readonly error_message?: string | null;
}

const mostNotes = 200_000;
/** Controllers of Agent Lightning 1.0 send no heartbeat: the rollout's own time limit ends an attempt. */
const leaseMs = 30 * 24 * 3_600_000;
/** The controller ends a late agent itself; a rollout whose controller is gone ends so much later. */
const graceMs = 60_000;
const workerId = 'agl10-controller';

const nextStates: Readonly<Record<State, readonly State[]>> = {
  queuing: ['running', 'failed'],
  running: ['succeeded', 'failed'],
  succeeded: [],
  failed: [],
};

const storeStatuses: Readonly<Record<State, readonly Rollout['status'][]>> = {
  queuing: ['queuing', 'requeuing', 'preparing', 'running'],
  running: ['preparing', 'running'],
  succeeded: ['succeeded'],
  failed: ['failed', 'cancelled'],
};

/** Returns an error for a rollout that is not there. */
export function rolloutNotFound(rolloutId: string): RequestError {
  return new RequestError(`Rollout not found: ${rolloutId.slice(0, 200)}`, { code: 'not-found' });
}

/** Keeps the rollouts of Agent Lightning 1.0 in our store: each in a queue of its own, from which its controller's first word claims it. */
export class Agl10Rollouts {
  readonly #store: LightningStore;
  readonly #notes: Map<string, Note> = new Map();
  readonly #deleted: Set<string> = new Set();
  /** All that are final, those that are hidden too. */
  readonly #ended: EndedRollouts;
  readonly #turns: KeyedTurns = new KeyedTurns();
  /** Called before an attempt ends, so that its model calls are stored. */
  readonly #beforeEnd: (claim: Claim) => Promise<void>;

  constructor(store: LightningStore, beforeEnd: (claim: Claim) => Promise<void>) {
    this.#store = store;
    this.#ended = new EndedRollouts(store, (rollout) => metaOf(rollout) !== undefined);
    this.#beforeEnd = beforeEnd;
  }

  /** Adds rollouts; one whose id is there already is returned as it is. */
  async enqueue(creates: readonly RolloutCreate[]): Promise<readonly Agl10Rollout[]> {
    const requests: EnqueueRequest[] = [];
    const ids: string[] = [];
    for (const create of creates) {
      const rolloutId = create.rolloutId ?? randomUUID().replaceAll('-', '');
      const known = ids.includes(rolloutId) || (await this.#store.getRollout(rolloutId)) !== undefined;
      if (known && (await this.#find(rolloutId)) === undefined && !ids.includes(rolloutId))
        throw new RequestError(`rollout ${rolloutId} was deleted, or is another program's; give it another id`, {
          code: 'store-conflict',
        });
      ids.push(rolloutId);
      if (!known) requests.push(toRequest(rolloutId, create));
    }
    if (requests.length > 0) await this.#store.enqueue(requests);
    return Promise.all(ids.map(async (rolloutId) => this.view(await this.read(rolloutId))));
  }

  /** @throws {RequestError} 404 */
  async read(rolloutId: string): Promise<Rollout> {
    const rollout = await this.#find(rolloutId);
    if (rollout === undefined) throw rolloutNotFound(rolloutId);
    return rollout;
  }

  /** Returns rollouts in these states, the oldest first. */
  async list(states: readonly State[], limit: number): Promise<readonly Agl10Rollout[]> {
    const statuses = [...new Set(states.flatMap((state) => storeStatuses[state]))];
    const found: Agl10Rollout[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#store.queryRollouts({ statuses, ...(cursor === undefined ? {} : { cursor }) });
      for (const rollout of page.items)
        if (this.#isShown(rollout) && found.length < limit) {
          const shown = this.view(rollout);
          if (states.includes(shown.status.state)) found.push(shown);
        }
      cursor = page.nextCursor;
    } while (cursor !== undefined && found.length < limit);
    return found;
  }

  /** Returns a page of the final rollouts in the order in which they were first seen final; deleted ones count and are left out. */
  async terminal(after: number, limit: number): Promise<JsonObject> {
    const page = await this.#ended.page(Math.max(0, after), Math.max(1, limit));
    const items = page.rollouts
      .filter((rollout) => this.#isShown(rollout))
      .map((rollout) => {
        const { rollout_id, is_train, status } = this.view(rollout);
        return { rollout_id, state: status.state, data_id: dataIdOf(rollout), is_train };
      });
    return { items, next_after: page.nextPlace, total_terminal: page.total };
  }

  view(rollout: Rollout): Agl10Rollout {
    const { config, metadata } = metaOf(rollout) as Meta;
    const note = this.#notes.get(rollout.rolloutId);
    const state = stateOf(rollout, note);
    const updatedAtMs = rollout.endedAtMs ?? note?.updatedAtMs ?? rollout.createdAtMs;
    return {
      rollout_id: rollout.rolloutId,
      input: rollout.input,
      is_train: rollout.mode === 'train',
      config,
      metadata,
      status: {
        state,
        k8s_job_name: note?.k8s_job_name ?? null,
        last_attempt_id:
          note?.last_attempt_id ?? (note === undefined && rollout.attemptCount > 0 ? firstAttempt : null),
        error_message: note?.error_message ?? rollout.failure?.message ?? null,
        version: note?.version ?? (state === 'queuing' ? 1 : state === 'running' ? 2 : 3),
        created_at: rollout.createdAtMs / 1_000,
        updated_at: updatedAtMs / 1_000,
      },
    };
  }

  /** Changes a rollout's status. @throws {RequestError} 404; 409 for a state that cannot follow */
  patch(rolloutId: string, patch: StatusPatch): Promise<Agl10Rollout> {
    return this.#turns.run(rolloutId, async () => {
      const before = this.view(await this.read(rolloutId));
      if (Object.keys(patch).length === 0) return before;
      const { state } = patch;
      if (state !== undefined && !nextStates[before.status.state].includes(state))
        throw new RequestError(`Rollout ${rolloutId}: cannot transition ${before.status.state} -> ${state}`, {
          code: 'store-conflict',
        });
      if (state !== undefined)
        await this.#setState(rolloutId, state, patch.error_message ?? before.status.error_message);
      this.#note(rolloutId, {
        ...this.#notes.get(rolloutId),
        ...patch,
        version: before.status.version + 1,
        updatedAtMs: Date.now(),
      });
      return this.view(await this.read(rolloutId));
    });
  }

  /** Hides a rollout from clients of 1.0, and cancels it if it is not final. What it did stays in the store. */
  delete(rolloutId: string): Promise<void> {
    return this.#turns.run(rolloutId, async () => {
      const rollout = await this.#find(rolloutId);
      if (rollout === undefined) return;
      if (!isFinalRolloutStatus(rollout.status)) {
        const claim = await this.#liveClaim(rollout);
        if (claim !== undefined) await this.#beforeEnd(claim);
        await this.#store.cancel(rolloutId, 'deleted by the trainer');
      }
      this.#deleted.add(rolloutId);
      this.#notes.delete(rolloutId);
      if (this.#deleted.size > mostNotes) this.#deleted.delete(this.#deleted.values().next().value as string);
    });
  }

  /** Returns the running attempt of a rollout, made now when there was none. @throws {RequestError} 409 for a final rollout */
  claim(rolloutId: string): Promise<Claim> {
    return this.#turns.run(rolloutId, () => this.#claim(rolloutId));
  }

  async #claim(rolloutId: string): Promise<Claim> {
    const rollout = await this.read(rolloutId);
    const live = await this.#liveClaim(rollout);
    if (live !== undefined) return live;
    const [claim] = isFinalRolloutStatus(rollout.status)
      ? []
      : await this.#store.claim({ workerId, leaseMs, queues: [rollout.queue] });
    if (claim === undefined)
      throw new RequestError(`rollout ${rolloutId} is ${stateOf(rollout, undefined)} for good`, {
        code: 'store-conflict',
      });
    // An agent may call before its controller says that it runs: until then the rollout is shown as it was.
    if (!this.#notes.has(rolloutId))
      this.#note(rolloutId, { state: 'queuing', version: 1, updatedAtMs: rollout.createdAtMs });
    return claim;
  }

  async #liveClaim(rollout: Rollout): Promise<Claim | undefined> {
    const attempt = (await this.#store.queryAttempts(rollout.rolloutId)).at(-1);
    if (attempt === undefined) return undefined;
    const lease = await this.#store.getLease(rollout.rolloutId, attempt.attemptId);
    return lease === undefined ? undefined : { rollout, attempt, lease };
  }

  async #setState(rolloutId: string, state: State, message: string | null): Promise<void> {
    const claim = await this.#claim(rolloutId);
    if (state === 'running') return void (await this.#store.heartbeat(claim.lease));
    await this.#beforeEnd(claim);
    if (state === 'succeeded') await this.#store.complete(claim.lease);
    else
      await this.#store.fail(claim.lease, {
        code: 'agent-failed',
        message: message ?? 'the controller of Agent Lightning 1.0 gave no reason',
      });
  }

  async #find(rolloutId: string): Promise<Rollout | undefined> {
    if (!isId(rolloutId)) return undefined;
    const rollout = await this.#store.getRollout(rolloutId);
    return rollout !== undefined && this.#isShown(rollout) ? rollout : undefined;
  }

  #isShown(rollout: Rollout): boolean {
    return metaOf(rollout) !== undefined && !this.#deleted.has(rollout.rolloutId);
  }

  #note(rolloutId: string, note: Note): void {
    this.#notes.delete(rolloutId);
    this.#notes.set(rolloutId, note);
    const oldest = this.#notes.keys().next().value;
    if (this.#notes.size > mostNotes && oldest !== undefined) this.#notes.delete(oldest);
  }
}

function metaOf(rollout: Rollout): Meta | undefined {
  return rollout.metadata[metaName] as unknown as Meta | undefined;
}

function stateOf({ status }: Rollout, note: Note | undefined): State {
  if (status === 'succeeded') return 'succeeded';
  if (status === 'failed' || status === 'cancelled') return 'failed';
  return note?.state ?? (status === 'running' ? 'running' : 'queuing');
}

function toRequest(rolloutId: string, { input, isTrain, config, metadata }: RolloutCreate): EnqueueRequest {
  const timeoutMs = Math.max(0, (config['timeout_seconds'] as number) * 1_000) + graceMs;
  return {
    rolloutId,
    input,
    mode: isTrain ? 'train' : 'val',
    queue: `agl10.${rolloutId}`,
    retry: { maxAttempts: 1 },
    timeouts: timeoutMs > leaseMs ? {} : { startToFinishMs: timeoutMs },
    metadata: { [metaName]: { config, metadata } },
  };
}

function dataIdOf({ input }: Rollout): string {
  const { data_id: dataId, instance_id: instanceId } = (
    typeof input === 'object' && input !== null ? input : {}
  ) as JsonObject;
  const found = dataId || instanceId || '';
  return typeof found === 'string' ? found : JSON.stringify(found);
}
