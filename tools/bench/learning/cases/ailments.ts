/** Injects each ailment into a real run and counts the steps until it is named; healthy runs must stay silent. */
import { commonAilments } from '@agent-lightning/run';
import { grpo } from '@agent-lightning/trainer';
import { healthyRuns } from '../ailments/healthy-runs.ts';
import { injectors, stepLimit } from '../ailments/injectors.ts';
import { runLetters, type LetterResult } from '../ailments/letter-run.ts';
import type { LearningCase } from '../learning-case.ts';

const falseAlarmLimit = 1;
const seed = 0;

/** Measures how soon each ailment is named, and how often a healthy run is called ill. Every run goes through trainer, store and gateway. */
export const ailments: LearningCase = {
  name: 'ailments',
  summary: 'steps until each injected ailment is named, and false alarms in healthy runs',
  run: async () => {
    const known = [...commonAilments, ...(grpo().ailments ?? [])].map(({ code }) => code);
    const named: Record<string, number | null> = {};
    for (const code of known) named[code] = await countSteps(code);
    const healthy: LetterResult[] = [];
    for (const run of healthyRuns) healthy.push(await runLetters(run, seed));
    const alarms = healthy.flatMap(({ named: found }, index) =>
      Object.entries(found).map(([code, step]) => ({ run: index, code, step })),
    );
    const runsWithAlarm = new Set(alarms.map(({ run }) => run)).size;
    return {
      ok: Object.values(named).every((step) => step !== null && step <= stepLimit) && runsWithAlarm <= falseAlarmLimit,
      figures: {
        named,
        stepLimit,
        healthyRuns: healthyRuns.length,
        runsWithAlarm,
        falseAlarmLimit,
        alarms,
        healthyRewards: healthy.map(({ reward }) => [...reward]),
        seed,
      },
    };
  },
};

/** Returns the step after which an injected ailment is named; null when it is not, or when nothing injects it. */
async function countSteps(code: string): Promise<number | null> {
  const inject = injectors[code];
  if (inject === undefined) return null;
  return (await runLetters(inject(), seed)).named[code] ?? null;
}
