import { join } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import { Checkpoints, RunDirectory, type RunConfig } from '@agent-lightning/run';

/** The result of a run so far, read from its directory. It is JSON. */
export interface RunSummary {
  readonly directory: string;
  readonly runId: string;
  readonly startedAt: string;
  readonly config: RunConfig;
  /** Steps that are done. */
  readonly steps: number;
  readonly rollouts: number;
  readonly failed: number;
  readonly wallSeconds: number;
  /** Mean sampled reward of the first and the last step. */
  readonly reward: { readonly first: number | undefined; readonly last: number | undefined };
  /** Mean greedy reward on held-out tasks before training and at the last validation. */
  readonly heldOut: {
    readonly before: number | undefined;
    readonly last: number | undefined;
    readonly lastStep: number | undefined;
  };
  readonly bestStep: number | undefined;
  /** The codes of the ailments after the last step. */
  readonly ailments: readonly string[];
  readonly curve: readonly { readonly step: number; readonly reward?: number; readonly validation?: number }[];
}

/**
 * Reads how a run went, without its lock: it may go on meanwhile.
 * @throws {ConfigurationError} `option-invalid` for a directory without a run
 */
export async function readRunSummary(directory: string): Promise<RunSummary> {
  const record = await RunDirectory.readRecord(directory);
  if (record === undefined)
    throw new ConfigurationError(`${directory} is no run directory: it has no run.json`, { code: 'option-invalid' });
  const { runId, startedAt, config } = record;
  const metrics = await RunDirectory.readMetrics(directory);
  const checkpoints = new Checkpoints(join(directory, 'checkpoints'), 1);
  const newest = (await checkpoints.steps())[0];
  const state = newest === undefined ? undefined : (await checkpoints.find(newest))?.state;
  const curve = metrics.map(({ step, reward, validation }) => ({
    step,
    ...(reward.mean !== undefined && { reward: reward.mean }),
    ...(validation !== undefined && { validation: validation.reward }),
  }));
  const validated = curve.filter(({ validation }) => validation !== undefined).at(-1);
  return {
    directory,
    runId,
    startedAt,
    config,
    steps: metrics.at(-1)?.step ?? 0,
    rollouts: metrics.reduce((sum, { rollouts }) => sum + rollouts, 0),
    failed: metrics.reduce((sum, { failed }) => sum + failed, 0),
    wallSeconds: metrics.at(-1)?.wallSeconds ?? 0,
    reward: { first: curve[0]?.reward, last: curve.at(-1)?.reward },
    heldOut: { before: state?.validationBefore?.reward, last: validated?.validation, lastStep: validated?.step },
    bestStep: state?.best?.step,
    ailments: metrics.at(-1)?.ailments ?? [],
    curve,
  };
}
