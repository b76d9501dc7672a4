import {
  compareEvaluations,
  describeVerdict,
  pairRewards,
  type Evaluation,
  type RunState,
  type Verdict,
} from '@agent-lightning/run';
import type { RunContext } from '../run-context.ts';
import { collectEvaluation } from './collect-evaluation.ts';
import { splitHeldOut } from './held-out-tasks.ts';

/** Runs the tasks of the verdict with what the algorithm has published. Undefined for a run without a verdict. */
export async function evaluateForVerdict<Task>(
  { fit, options, algorithm, collector, progress, stopping }: RunContext<Task>,
  step: number,
): Promise<Evaluation | undefined> {
  if (fit.verdict === undefined) return undefined;
  const { samples } = fit.verdict;
  const { test } = splitHeldOut(fit, options.seed);
  if (step === 0)
    progress.note(
      `the verdict is on ${test.length} of ${fit.validation.length} held-out tasks, ${samples} rollouts of each before the training and after it`,
    );
  progress.begin(step, 'verdict', test.length * samples);
  const { resourcesId } = algorithm;
  return await collectEvaluation(
    collector,
    { step, tasks: fit.validation, indexes: test, samples, resourcesId },
    stopping,
  );
}

/** Makes the algorithm what it was after the step that the run keeps, publishes that for new rollouts, and returns the step. */
export async function loadBest<Task>(
  { algorithm, directory, progress }: RunContext<Task>,
  { step, best }: RunState,
): Promise<number> {
  if (best === undefined || best.step === step) return step;
  const saved = await directory.checkpoints.find(best.step);
  if (saved === undefined) {
    progress.logger.warn(`the checkpoint of the best step, ${best.step}, is gone; the last step, ${step}, is kept`);
    return step;
  }
  await algorithm.load(saved.directory);
  await algorithm.publish();
  return best.step;
}

/** Compares a step with the start of the run, says the verdict, and writes it to `verdict.json`. Undefined where no task has rewards before and after. */
export async function sayVerdict<Task>(
  { directory, options, progress }: RunContext<Task>,
  step: number,
  baseline: Evaluation,
  candidate: Evaluation,
): Promise<Verdict | undefined> {
  if (pairRewards(baseline, candidate).length === 0) {
    progress.logger.warn('no verdict can be said: no held-out task has rewards before and after the training');
    return undefined;
  }
  const compared = compareEvaluations(baseline, candidate);
  const words = options.algorithm.verdictWords?.[compared.answer];
  const verdict: Verdict = { ...compared, ...(words === undefined ? {} : { words }) };
  await directory.writeFile(`${JSON.stringify({ step, ...verdict }, undefined, 2)}\n`, 'verdict.json');
  progress.note(`verdict on step ${step} against the start: ${describeVerdict(verdict)}`);
  return verdict;
}
