/** The types of the contract's arguments and replies, by the names that authors of stores use. */
import type { Attempt, LightningStore, LlmEndpoint, NamedResources, Rollout, Span } from '@agent-lightning/core';

export type ClaimRequest = Parameters<LightningStore['claim']>[0];
export type HeartbeatReply = Awaited<ReturnType<LightningStore['heartbeat']>>;
export type RolloutQuery = NonNullable<Parameters<LightningStore['queryRollouts']>[0]>;
export type Page<Item> = Omit<Awaited<ReturnType<LightningStore['queryRollouts']>>, 'items'> & {
  readonly items: readonly Item[];
};
export type WaitOptions = NonNullable<Parameters<LightningStore['waitFor']>[1]>;
export type WorkFilter = Parameters<LightningStore['waitForWork']>[0];
export type WorkerRecord = Awaited<ReturnType<LightningStore['queryWorkers']>>[number];
export type StoreStatistics = Awaited<ReturnType<LightningStore['statistics']>>;

export type RolloutStatus = Rollout['status'];
export type RolloutTimeouts = Rollout['timeouts'];
export type AttemptStatus = Attempt['status'];
export type SpanKind = Span['kind'];
export type SpanStatus = Span['status'];
export type Resource = NamedResources[string];
export type SamplingParameters = LlmEndpoint['sampling'];
