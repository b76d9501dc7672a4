import { randomBytes, randomUUID } from 'node:crypto';
import {
  LightningError,
  type Claim,
  type EnqueueRequest,
  type Lease,
  type LightningStore,
  type Rollout,
} from '@agent-lightning/core';
import { isFinalAttemptStatus, isFinalRolloutStatus, isId } from '@agent-lightning/store';
import { RequestError } from '../http/request-error.ts';
import { KeyedTurns } from '../keyed-turns.ts';
import type { KnownWorkers } from './known-workers.ts';
import type { RolloutNote } from './notes.ts';
import { failedCode, finalCode, readMeta, toRequest } from './rollout-meta.ts';
import {
  isReplaced,
  lineIdOf,
  nextIdOf,
  replacedReason,
  statusWorker,
  takenBack,
  type LineAttempt,
  type RolloutLine,
} from './rollout-lines.ts';
import type { RolloutView } from './rollout-view.ts';
import type { AglAttempt, AglRollout, AglTask, AttemptStatus, RolloutStatus } from './shapes.ts';
import { toWorkerId } from './worker-ids.ts';

/** A rollout with the attempt that was just made. */
type Attempted = AglRollout & { readonly attempt: AglAttempt };

/** Holds what a client changes of an attempt. */
export interface AttemptChange {
  readonly status?: AttemptStatus;
  readonly worker_id?: string;
  readonly last_heartbeat_time?: number;
  readonly metadata?: NonNullable<AglAttempt['metadata']>;
}

export type RolloutChange = RolloutNote & { readonly status?: RolloutStatus };

export interface AglRolloutsOptions {
  readonly store: LightningStore;
  readonly view: RolloutView;
  readonly workers: KnownWorkers;
  /** The queue that clients of 0.3 work off and enqueue to. */
  readonly queue: string;
}

/** Clients of 0.3 have no lease and send no heartbeat for an attempt: only the rollout's own time limits end it. */
const leaseMs = 30 * 24 * 3_600_000;
/** A rollout that is started at once waits in a queue of its own, for a moment. */
const startLimitMs = 60_000;

/** Says that another server on the same store took the next place of a line, after the line was read. */
const placeTaken = new RequestError('another server added to the rollout at the same moment; try again', {
  code: 'store-conflict',
});

/** Carries out what Agent Lightning 0.3 does with rollouts and attempts, on our store. */
export class AglRollouts {
  readonly #store: LightningStore;
  readonly #view: RolloutView;
  readonly #workers: KnownWorkers;
  readonly #queue: string;
  /** Lets one step of a line follow the other: each starts from what it read. */
  readonly #turns: KeyedTurns = new KeyedTurns();

  constructor({ store, view, workers, queue }: AglRolloutsOptions) {
    this.#store = store;
    this.#view = view;
    this.#workers = workers;
    this.#queue = queue;
  }

  async enqueue(tasks: readonly AglTask[]): Promise<readonly AglRollout[]> {
    if (tasks.length === 0) return [];
    const requests = [];
    for (const task of tasks)
      requests.push(await this.#toRequest(task, { rolloutId: newId('ro'), queue: this.#queue }));
    const rollouts = await this.#store.enqueue(requests);
    return rollouts.map((rollout) =>
      this.#view.toRollout({ rolloutId: rollout.rolloutId, rollouts: [rollout], last: rollout }),
    );
  }

  async dequeue(limit: number, workerId: string | null): Promise<readonly Attempted[]> {
    if (limit <= 0) return [];
    const request = { workerId: toWorkerId(workerId), limit: Math.min(limit, 10_000), leaseMs, queues: [this.#queue] };
    const claims = await this.#claimLast(request);
    if (claims.length === 0 && workerId !== null) this.#workers.noteIdle(workerId);
    const attempted: Attempted[] = [];
    for (const claim of claims) attempted.push(await this.#toAttempted(claim, workerId, true));
    return attempted;
  }

  /** Claims rollouts that nothing replaces: a server that died may have enqueued the next one of a line, and not have cancelled the one before. */
  async #claimLast(request: Parameters<LightningStore['claim']>[0]): Promise<readonly Claim[]> {
    for (;;) {
      const claims = await this.#store.claim(request);
      const kept: Claim[] = [];
      for (const claim of claims) {
        const { rolloutId } = claim.rollout;
        if (isReplaced(await this.readLine(lineIdOf(rolloutId)), rolloutId))
          await this.#store.cancel(rolloutId, replacedReason);
        else kept.push(claim);
      }
      if (kept.length > 0 || claims.length === 0) return kept;
    }
  }

  /** Starts a rollout at once, past the queue. */
  async start(task: AglTask, workerId: string | null): Promise<Attempted> {
    const rolloutId = newId('ro');
    const queue = `agl03.${rolloutId}`;
    const request = await this.#toRequest(task, { rolloutId, queue });
    await this.#store.enqueue([{ ...request, timeouts: { ...request.timeouts, queueMs: startLimitMs } }]);
    return this.#toAttempted(await this.#claimFrom(queue, toWorkerId(workerId)), workerId, false);
  }

  /** Starts one more attempt, whatever became of those before. */
  startAttempt(rolloutId: string, workerId: string | null): Promise<Attempted> {
    return this.#step(rolloutId, async (line) => {
      checkOurs(line, 'cannot be started anew by a client of Agent Lightning 0.3');
      const claim = await this.#claimNext(line, toWorkerId(workerId), {});
      return this.#toAttempted(claim, workerId, false);
    });
  }

  /** Changes a rollout's fields and status. */
  update(rolloutId: string, { status, ...note }: RolloutChange): Promise<AglRollout> {
    return this.#step(rolloutId, async (read) => {
      const line = Object.keys(note).length > 0 ? await this.#changeFields(read, note, status) : read;
      if (status !== undefined) await this.#setStatus(line, status);
      return this.#view.toRollout(await this.readLine(rolloutId));
    });
  }

  /** Changes an attempt; its status changes its rollout's when it is the newest. @param attemptId an id, or `latest` */
  updateAttempt(rolloutId: string, attemptId: string, change: AttemptChange): Promise<AglAttempt> {
    return this.#step(rolloutId, (line) => this.#updateAttempt(line, attemptId, change));
  }

  /** Carries out a step of a line, which starts anew from what is there then when another server adds to the line meanwhile. */
  #step<Reply>(rolloutId: string, work: (line: RolloutLine) => Promise<Reply>): Promise<Reply> {
    return this.#turns.run(rolloutId, async () => {
      for (;;) {
        const line = await this.readLine(rolloutId);
        try {
          return await work(line);
        } catch (error) {
          if (error !== placeTaken) throw error;
        }
      }
    });
  }

  async #updateAttempt(line: RolloutLine, attemptId: string, change: AttemptChange): Promise<AglAttempt> {
    const found = await this.#findAttempt(line, attemptId);
    const { status, ...note } = change;
    if (Object.keys(note).length > 0) this.#view.attemptNotes.add(found.attempt.attemptId, note);
    const lease = await this.#store.getLease(found.attempt.rolloutId, found.attempt.attemptId);
    if (note.last_heartbeat_time !== undefined && lease !== undefined && status === undefined)
      await this.#store.heartbeat(lease);
    if (status !== undefined) await this.#setAttemptStatus(line, found, status, lease);
    const after = await this.#findAttempt(await this.readLine(line.rolloutId), found.attempt.attemptId);
    const shown = this.#view.toAttempt(after);
    if (status !== undefined || note.worker_id !== undefined) this.#noteWorker(shown);
    return shown;
  }

  /** Notes that an attempt wrote: one that was said to be unresponsive is back, and the retry that nobody took yet is taken back. */
  async noteWritten(rolloutId: string, attemptId: string): Promise<void> {
    if (this.#view.attemptNotes.get(attemptId).status === undefined) return;
    this.#view.attemptNotes.remove(attemptId, 'status');
    const lineId = lineIdOf(rolloutId);
    await this.#turns.run(lineId, async () => {
      const { last } = await this.readLine(lineId);
      if (last.rolloutId !== rolloutId && last.status === 'queuing')
        await this.#store.cancel(last.rolloutId, takenBack);
    });
  }

  /** @throws {RequestError} 404 */
  async readLine(rolloutId: string): Promise<RolloutLine> {
    const line = isId(rolloutId) ? await this.#view.lines.read(rolloutId) : undefined;
    if (line === undefined)
      throw new RequestError(`Rollout ${rolloutId.slice(0, 200)} not found`, { code: 'not-found' });
    return line;
  }

  async #findAttempt(line: RolloutLine, attemptId: string): Promise<LineAttempt> {
    const attempts = await this.#view.lines.readAttempts(line);
    if (attempts.length === 0)
      throw new RequestError(`No attempts found for rollout ${line.rolloutId}`, { code: 'not-found' });
    const found =
      attemptId === 'latest' ? attempts.at(-1) : attempts.find(({ attempt }) => attempt.attemptId === attemptId);
    if (found === undefined)
      throw new RequestError(`Attempt ${attemptId.slice(0, 200)} not found for rollout ${line.rolloutId}`, {
        code: 'not-found',
      });
    return found;
  }

  async #toRequest(
    task: AglTask,
    placing: Omit<Parameters<typeof toRequest>[1], 'hasResources'>,
  ): Promise<ReturnType<typeof toRequest>> {
    const { resources_id: id } = task;
    const hasResources = id !== null && isId(id) && (await this.#store.getResources(id)) !== undefined;
    return toRequest(task, { ...placing, hasResources });
  }

  async #toAttempted({ rollout, attempt }: Claim, workerId: string | null, fromQueue: boolean): Promise<Attempted> {
    const line = await this.readLine(lineIdOf(rollout.rolloutId));
    const { attempt: _newest, ...shown } = await this.#view.withAttempt({ ...line, last: rollout });
    const found = await this.#findAttempt(line, attempt.attemptId);
    if (workerId !== null) this.#workers.noteBusy(workerId, line.rolloutId, attempt.attemptId, fromQueue);
    return { ...shown, attempt: this.#view.toAttempt(found) };
  }

  async #claimFrom(queue: string, workerId: string): Promise<Claim> {
    const [claim] = await this.#store.claim({ workerId, leaseMs, queues: [queue] });
    if (claim === undefined)
      throw new RequestError('the rollout was taken by someone else before it could be started', {
        code: 'store-conflict',
      });
    return claim;
  }

  /**
   * Enqueues the next rollout of a line, which repeats the last one but for what is given. A last one that still waits makes place.
   * @throws `placeTaken`
   */
  async #enqueueNext(line: RolloutLine, queue: string, given: RolloutNote, asked?: 'requeuing'): Promise<Rollout> {
    const { last } = line;
    const shown = { ...this.#view.toRollout(line), ...given };
    const task: AglTask = { ...shown, metadata: shown.metadata };
    const step = randomUUID();
    const request = await this.#toRequest(task, {
      rolloutId: nextIdOf(line),
      queue,
      startTime: shown.start_time,
      noMetadata: shown.metadata === null,
      step,
      ...(asked === undefined ? {} : { asked }),
    });
    const rollout = await this.#enqueueAt(line, { ...request, priority: last.priority });
    if (readMeta(rollout)?.step !== step) throw placeTaken;
    if (last.status === 'queuing' || last.status === 'requeuing')
      await this.#store.cancel(last.rolloutId, replacedReason);
    return rollout;
  }

  /** Enqueues a rollout, or returns the one that is there already. @throws `placeTaken` where that one has another input */
  async #enqueueAt(line: RolloutLine, request: EnqueueRequest): Promise<Rollout> {
    try {
      const [rollout] = await this.#store.enqueue([request]);
      return rollout as Rollout;
    } catch (error) {
      if (!LightningError.isInstance(error) || error.code !== 'store-conflict') throw error;
      throw (await this.#store.getRollout(nextIdOf(line))) === undefined ? error : placeTaken;
    }
  }

  async #claimNext(line: RolloutLine, workerId: string, given: RolloutNote): Promise<Claim> {
    const queue = `agl03.${newId('ro')}`;
    await this.#enqueueNext(line, queue, given);
    return this.#claimFrom(queue, workerId);
  }

  /** Changes fields: of a rollout that waits, by the next one of its line; of one that runs or is over, as a note. */
  async #changeFields(line: RolloutLine, note: RolloutNote, status: RolloutStatus | undefined): Promise<RolloutLine> {
    checkOurs(line, 'does not change');
    const { last } = line;
    if (last.status === 'queuing' && status !== 'cancelled') {
      await this.#enqueueNext(line, last.queue, note, readMeta(last)?.asked);
      return this.readLine(line.rolloutId);
    }
    this.#view.rolloutNotes.add(line.rolloutId, note);
    return line;
  }

  async #setStatus(line: RolloutLine, status: RolloutStatus): Promise<void> {
    const { last } = line;
    if (this.#view.toRollout(line).status === status) return;
    if (status === 'cancelled' && !isFinalRolloutStatus(last.status))
      return void (await this.#store.cancel(last.rolloutId, 'cancelled by a client'));
    if (status === 'queuing' || status === 'requeuing') {
      checkOurs(line, 'cannot be queued again');
      if (last.status === 'queuing' || last.status === 'requeuing') return;
      return void (await this.#enqueueNext(line, this.#queue, {}, status === 'requeuing' ? status : undefined));
    }
    if (status === 'cancelled' || isFinalRolloutStatus(last.status)) throw finalConflict(line, status);
    await this.#endAs(line, status);
  }

  /** Gives a rollout that is not final a status that only an attempt can give. */
  async #endAs(line: RolloutLine, status: 'preparing' | 'running' | 'succeeded' | 'failed'): Promise<void> {
    const newest = (await this.#store.queryAttempts(line.last.rolloutId)).at(-1);
    const isLive = newest !== undefined && !isFinalAttemptStatus(newest.status);
    if (!isLive) checkOurs(line, `waits for a runner, and cannot become ${status}`);
    const held = isLive ? await this.#store.getLease(newest.rolloutId, newest.attemptId) : undefined;
    const lease = held ?? (await this.#claimNext(line, statusWorker, {})).lease;
    if (status === 'succeeded') await this.#store.complete(lease);
    else if (status === 'failed')
      await this.#store.fail(lease, failure(finalCode, 'a client set the rollout to failed'));
    else if (status === 'running') await this.#store.heartbeat(lease);
    else if (newest?.status === 'running')
      throw new RequestError(`rollout ${line.rolloutId} is running and cannot become preparing`, {
        code: 'store-conflict',
      });
  }

  async #setAttemptStatus(
    line: RolloutLine,
    found: LineAttempt,
    status: AttemptStatus,
    lease: Lease | undefined,
  ): Promise<void> {
    const shown = this.#view.toAttempt(found);
    if (shown.status === status) return;
    if (lease === undefined)
      throw new RequestError(`attempt ${shown.attempt_id} is ${shown.status} for good, and cannot become ${status}`, {
        code: 'store-conflict',
      });
    const isNewest =
      found.rollout === line.last && found.sequenceId === (await this.#view.lines.readAttempts(line)).length;
    const { config } = this.#view.toRollout(line);
    this.#view.attemptNotes.remove(shown.attempt_id, 'status');
    const isRetried = isNewest && config.retry_condition.includes(status) && found.sequenceId < config.max_attempts;
    if (status === 'succeeded') await this.#store.complete(lease);
    else if (status === 'running') await this.#store.heartbeat(lease);
    else if (status === 'unresponsive' && isRetried) {
      this.#view.attemptNotes.add(shown.attempt_id, { status });
      await this.#enqueueNext(line, this.#queue, {}, 'requeuing');
    } else if (status === 'preparing')
      throw new RequestError(`attempt ${shown.attempt_id} is ${shown.status} and cannot become preparing`, {
        code: 'store-conflict',
      });
    else await this.#endAttempt(line, lease, status, isRetried);
  }

  /** Ends an attempt without success: its rollout is retried as 0.3 would, also where its own policy, which never changes, says otherwise. */
  async #endAttempt(
    line: RolloutLine,
    lease: Lease,
    status: 'failed' | 'timeout' | 'unresponsive',
    isRetried: boolean,
  ): Promise<void> {
    const code = isRetried ? failedCode : finalCode;
    const message = `the runner of Agent Lightning 0.3 reported the attempt as ${status}; it sends no reason`;
    if (status === 'unresponsive') this.#view.attemptNotes.add(lease.attemptId, { status });
    const rollout = await this.#store.fail(lease, {
      ...failure(code, message),
      status: status === 'failed' ? 'failed' : 'timeout',
    });
    if (isRetried && isFinalRolloutStatus(rollout.status)) {
      const after = await this.readLine(line.rolloutId);
      await this.#enqueueNext(after, this.#queue, {}, 'requeuing');
    }
  }

  #noteWorker({ worker_id: workerId, status, rollout_id: rolloutId, attempt_id: attemptId }: AglAttempt): void {
    if (workerId === null) return;
    if (status === 'succeeded' || status === 'failed') this.#workers.noteEnd(workerId, 'idle');
    else if (status === 'timeout' || status === 'unresponsive') this.#workers.noteEnd(workerId, 'unknown');
    else this.#workers.noteBusy(workerId, rolloutId, attemptId, false);
  }
}

function failure(code: string, message: string): { readonly code: string; readonly message: string } {
  return { code, message };
}

function finalConflict({ rolloutId, last }: RolloutLine, status: RolloutStatus): RequestError {
  return new RequestError(`rollout ${rolloutId} is ${last.status} for good, and cannot become ${status}`, {
    code: 'store-conflict',
  });
}

/** Rejects a change of a rollout that no client of 0.3 made. @throws {RequestError} 409 */
function checkOurs({ rolloutId, last }: RolloutLine, problem: string): void {
  if (readMeta(last) === undefined)
    throw new RequestError(`rollout ${rolloutId} was enqueued by another program, and ${problem}`, {
      code: 'store-conflict',
    });
}

export function newId(prefix: 'ro' | 'rs'): string {
  return `${prefix}-${randomBytes(6).toString('hex')}`;
}
