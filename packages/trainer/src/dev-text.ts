import type { DevReport } from './dev.ts';

/** The things that the text of a dry run has beside its report. */
export interface DevTextOptions {
  /** Where the model calls went; undefined where the run has no policy. */
  readonly table: string | undefined;
  /** One rollout as it went; undefined where there is none. */
  readonly rollout: string | undefined;
  /** True where the agents asked their own models. */
  readonly isOwn: boolean;
}

/** Writes the report of a dry run: one rollout as it went, the counts, what to correct, and the verdict with the next step. */
export function describeDevReport(report: DevReport, { table, rollout, isOwn }: DevTextOptions): string {
  return [
    ...(rollout === undefined ? [] : [rollout]),
    describeCounts(report),
    ...(table === undefined ? [] : describeCalls(report, table)),
    ...(isOwn ? describeOwnCalls(report) : []),
    ...report.findings.map((finding) => `- ${finding}`),
    isOwn ? describeOwnVerdict(report) : describeVerdict(report),
  ].join('\n');
}

function describeCounts({ rewards: given, succeeded, rollouts, groupsWithVariance, groups }: DevReport): string {
  const rewards = given.filter((reward) => reward !== undefined);
  const sum = rewards.reduce((total, reward) => total + reward, 0);
  const mean = rewards.length === 0 ? 'none' : (sum / rewards.length).toFixed(3);
  return `dry run: ${succeeded} of ${rollouts} rollouts succeeded · mean reward ${mean} · ${groupsWithVariance} of ${groups} groups have different rewards`;
}

function describeCalls(report: DevReport, table: string): readonly string[] {
  return [
    table || 'no model call was seen',
    `calls that do not train: ${listCounts(report.untrainableCalls)}`,
    `${report.callsInSamples} calls became ${report.samples} samples (${report.tokensSampled} tokens sampled)`,
  ];
}

function describeVerdict({ ok, findings }: DevReport): string {
  if (!ok) return 'not ready to train: correct what the lines above say, and run dev again';
  return findings.length === 0
    ? 'ready to train: go on with fit, or agent-lightning train'
    : 'ready to train: read the lines above, then go on with fit, or agent-lightning train';
}

function describeOwnCalls({ ownCalls }: DevReport): readonly string[] {
  return ownCalls.map(
    ({ agent, model, calls, failed }) =>
      `${agent || '(no name)'} asked its own model ${model || '(no name)'} ${calls} times${failed === 0 ? '' : `, ${failed} of them in vain`}`,
  );
}

function describeOwnVerdict({ ok }: DevReport): string {
  if (!ok) return 'not ready: correct what the lines above say, and run dev again';
  return "ready as far as the agents' own models tell: give the trainer a backend, and run dev again, which checks tokens and agentMatch too";
}

function listCounts(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).map(([name, count]) => `${name || '(no name)'} ${count}`);
  return entries.join(', ') || 'none';
}
