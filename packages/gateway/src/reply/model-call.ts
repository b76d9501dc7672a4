import type { PolicySnapshot } from '@agent-lightning/core';
import type { ReplySink } from '../http/reply-sink.ts';
import type { ModelRequest } from '../request/model-request.ts';
import type { ReplyDraft } from './model-reply.ts';

/** One model call on its way: what is asked, of which snapshot, and where the reply goes. */
export interface ModelCall<Snapshot extends PolicySnapshot = PolicySnapshot> {
  readonly request: ModelRequest;
  readonly snapshot: Snapshot;
  readonly sink: ReplySink;
  /** Gathers the reply while it goes to the agent. */
  readonly draft: ReplyDraft;
  /** Aborts when the agent went away, the attempt ended or the deadline passed; its reason is a `ReplyError`. */
  readonly signal: AbortSignal;
  /** Tells whether the upstream is asked for ids, log-probabilities and usage, and for the policy's own distribution. */
  readonly isCaptured: boolean;
  /** Filled in while the call goes on. */
  readonly progress: CallProgress;
}

export interface CallProgress {
  retries: number;
  /** The server that answered; undefined for an engine, and until one does. */
  upstream?: URL;
}
