import { Notes, type AttemptNote, type RolloutNote } from './notes.ts';
import { readMeta, statusOf, taskOf } from './rollout-meta.ts';
import { lineIdOf, type LineAttempt, type RolloutLine, type RolloutLines } from './rollout-lines.ts';
import type { AglAttempt, AglRollout } from './shapes.ts';
import { readWorkerId } from './worker-ids.ts';

/** Shows our rollouts and attempts as Agent Lightning 0.3 has them. */
export class RolloutView {
  readonly lines: RolloutLines;
  readonly rolloutNotes: Notes<RolloutNote> = new Notes();
  readonly attemptNotes: Notes<AttemptNote> = new Notes();

  constructor(lines: RolloutLines) {
    this.lines = lines;
  }

  /** Returns a rollout without its attempt. */
  toRollout({ rolloutId, rollouts, last }: RolloutLine): AglRollout {
    const startMs = readMeta(last)?.startTime;
    return {
      rollout_id: rolloutId,
      ...taskOf(last),
      ...this.rolloutNotes.get(rolloutId),
      start_time: startMs ?? (rollouts[0] ?? last).createdAtMs / 1_000,
      end_time: last.endedAtMs === undefined ? null : last.endedAtMs / 1_000,
      status: statusOf(last),
    };
  }

  toAttempt({ attempt, sequenceId }: LineAttempt): AglAttempt {
    const { status: noted, ...note } = this.attemptNotes.get(attempt.attemptId);
    const isSilent = attempt.lastProgressAtMs === attempt.startedAtMs && attempt.status !== 'running';
    const status = attempt.status === 'cancelled' ? 'failed' : attempt.status;
    return {
      rollout_id: lineIdOf(attempt.rolloutId),
      attempt_id: attempt.attemptId,
      sequence_id: sequenceId,
      start_time: attempt.startedAtMs / 1_000,
      end_time: attempt.endedAtMs === undefined ? null : attempt.endedAtMs / 1_000,
      status: noted ?? status,
      worker_id: readWorkerId(attempt.workerId),
      last_heartbeat_time: isSilent ? null : attempt.lastProgressAtMs / 1_000,
      metadata: null,
      ...note,
    };
  }

  /** Returns a rollout with its newest attempt, when it has one. */
  async withAttempt(line: RolloutLine): Promise<AglRollout & { readonly attempt?: AglAttempt }> {
    const newest = (await this.lines.readAttempts(line)).at(-1);
    const rollout = this.toRollout(line);
    return newest === undefined ? rollout : { ...rollout, attempt: this.toAttempt(newest) };
  }
}
