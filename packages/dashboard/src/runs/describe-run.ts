import { AilmentWatch, describeVerdict, type StepMetrics, type ToldFinding } from '@agent-lightning/run';
import type { CurvePoint, RunDetails, RunState, RunSummary } from '../api.ts';
import { isTraining } from './is-training.ts';
import type { RunEnd, RunFiles, RunRecord } from './run-files.ts';
import { thin } from './thin.ts';

/** The points of a curve in the list of runs, besides its validations. */
const shownPoints = 300;

/** Describes a run as the list of runs shows it; undefined for a folder that is no run. */
export async function summarizeRun(id: string, files: RunFiles): Promise<RunSummary | undefined> {
  const record = await files.record();
  if (record === undefined) return undefined;
  return await summarize(id, files, record, await files.metrics(), await files.end());
}

/** Describes a run whose files cannot be read by what is wrong with them. */
export function describeUnreadable(id: string, files: RunFiles, error: unknown): RunSummary {
  return {
    id,
    directory: files.directory,
    state: 'stopped',
    problem: error instanceof Error ? error.message : String(error),
    steps: 0,
    rollouts: 0,
    failed: 0,
    wallSeconds: 0,
    curve: [],
    ailments: [],
    hasStore: files.hasStore(),
  };
}

/** Describes a run with everything but its lines of metrics; undefined for a folder that is no run. */
export async function describeRun(id: string, files: RunFiles): Promise<RunDetails | undefined> {
  const record = await files.record();
  if (record === undefined) return undefined;
  const metrics = await files.metrics();
  const end = await files.end();
  const state = await files.newestState();
  const verdict = await files.verdict();
  const summary = await summarize(id, files, record, metrics, end);
  const before = state?.validationBefore;
  const spend = await files.spend();
  return {
    ...summary,
    config: record.config,
    findings: findFindings(metrics, isCurrent(end, metrics) ? end : undefined, before),
    ...(verdict !== undefined && { verdict: { ...verdict, sentence: describeVerdict(verdict) } }),
    ...(before !== undefined && { validationBefore: before }),
    charts: await files.charts(),
    ...(spend !== undefined && { spend }),
  };
}

async function summarize(
  id: string,
  files: RunFiles,
  { startedAt, config }: RunRecord,
  metrics: readonly StepMetrics[],
  end: RunEnd | undefined,
): Promise<RunSummary> {
  const last = metrics.at(-1);
  const state = await stateOf(files, metrics, end);
  const name = (key: string): string | undefined => (typeof config[key] === 'string' ? config[key] : undefined);
  const [algorithm, backend] = [name('algorithm.name'), name('backend')];
  return {
    id,
    directory: files.directory,
    state,
    ...(state === 'ended' && end !== undefined && { outcome: end.outcome }),
    ...(files.problem !== undefined && { problem: files.problem }),
    startedAt,
    ...(algorithm !== undefined && { algorithm }),
    ...(backend !== undefined && { backend }),
    steps: last?.step ?? 0,
    rollouts: metrics.reduce((sum, { rollouts }) => sum + rollouts, 0),
    failed: metrics.reduce((sum, { failed }) => sum + failed, 0),
    wallSeconds: last?.wallSeconds ?? 0,
    curve: thin(metrics, shownPoints).map(toPoint),
    ailments: last?.ailments ?? [],
    hasStore: files.hasStore(),
  };
}

async function stateOf(files: RunFiles, metrics: readonly StepMetrics[], end: RunEnd | undefined): Promise<RunState> {
  if (isTraining(files.directory)) return 'running';
  if (end === undefined && (await files.hasReport())) return 'ended';
  return isCurrent(end, metrics) ? 'ended' : 'stopped';
}

/** Tells whether the end that was written is that of the newest step: a run that went on afterwards may have been killed. */
function isCurrent(end: RunEnd | undefined, metrics: readonly StepMetrics[]): end is RunEnd {
  return end !== undefined && end.step >= (metrics.at(-1)?.step ?? 0);
}

function toPoint({ step, reward, validation }: StepMetrics): CurvePoint {
  return {
    step,
    ...(reward.mean !== undefined && { reward: reward.mean }),
    ...(validation !== undefined && { validation: validation.reward, interval: validation.interval }),
  };
}

/**
 * Returns the findings that an ended run wrote. A run that goes on has written none: the common ailments are looked for again in its
 * metrics, and those that only its algorithm knows are told by their code.
 */
function findFindings(
  metrics: readonly StepMetrics[],
  end: RunEnd | undefined,
  before: Parameters<AilmentWatch['begin']>[0],
): readonly ToldFinding[] {
  if (end !== undefined) return end.findings;
  const watch = new AilmentWatch([], { isControl: false, heldOutTasks: before?.rollouts ?? 0, sharedTasks: [] });
  watch.begin(before);
  for (const line of metrics) watch.observe(line);
  const told = new Map(watch.findings.map((finding) => [finding.code, finding]));
  const codes = [...new Set(metrics.flatMap(({ ailments = [] }) => ailments))];
  return codes.map(
    (code) =>
      told.get(code) ?? {
        code,
        step: metrics.find(({ ailments }) => ailments?.includes(code))?.step ?? 0,
        message: 'the sentence with its figures is in the output of the run',
      },
  );
}
