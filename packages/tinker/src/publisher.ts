/** Defines how a policy's weights become a snapshot. */
import type { PolicySnapshot } from '@agent-lightning/core';
import type { TinkerModel } from './tinker-model.ts';

/** A policy as publishing needs it. */
export interface Publishable {
  readonly policy: string;
  /** The policy's weights as they are now; operations on the model follow all of the policy's earlier ones, and none overlaps. */
  readonly model: TinkerModel;
  readonly version: number;
  /** Returns a seed for a request that brings none. */
  readonly nextSeed: () => number;
}

/**
 * Turns weights on the training server into snapshots: sampled by the server itself ({@link EnginePublisher}), or loaded into
 * an inference server beside it.
 */
export interface Publisher {
  readonly kind: PolicySnapshot['kind'];
  /** Published versions of a policy that can be sampled at the same time. */
  readonly liveSnapshots: number;
  /** Called before each pass that makes gradients: memory that sampling holds may be given up until the next `publish`. */
  beforeTraining?(): Promise<void>;
  publish(publishable: Publishable): Promise<PolicySnapshot>;
  /** Returns a snapshot of the base model; undefined where it cannot be served. */
  baseSnapshot(): Promise<PolicySnapshot | undefined>;
  close(): Promise<void>;
}
