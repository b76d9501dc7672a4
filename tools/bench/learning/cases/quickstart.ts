/** Runs the quickstart as a user does, with its defaults, and counts the training rollouts that it needs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LearningCase } from '../learning-case.ts';

const program = fileURLToPath(new URL('../../../../examples/sql-agent/main.ts', import.meta.url));
const seeds = [0, 1, 2, 3, 4];
/** Steps of a run: enough for `mostRollouts`, and a few more to see how far a slow seed is. */
const steps = 12;
const goal = 0.9;
const medianLimit = 550;
const mostRollouts = 700;
const controlLimit = 0.08;

/** A run of the quickstart. */
interface Curve {
  readonly seed: number;
  /** Held-out reward before training. */
  readonly before: number;
  /** Training rollouts up to each validation, and its held-out reward. */
  readonly points: readonly (readonly [rollouts: number, reward: number])[];
}

/** Measures the training rollouts until the held-out reward of the quickstart first reaches 0.9, and its control. */
export const quickstart: LearningCase = {
  name: 'quickstart',
  summary: 'rollouts to a held-out reward of 0.9 with the defaults of the quickstart, and its control',
  run: async () => {
    const trained: Curve[] = [];
    const controls: Curve[] = [];
    for (const seed of seeds) {
      trained.push(await runQuickstart(seed, ['--validation-every', '1']));
      controls.push(await runQuickstart(seed, ['--validation-every', '4', '--control', 'shuffled']));
    }
    const needed = trained.map(({ points }) => points.find(([, reward]) => reward >= goal)?.[0]);
    const median = needed.map((rollouts) => rollouts ?? Infinity).toSorted((a, b) => a - b)[
      Math.floor(seeds.length / 2)
    ]!;
    const rises = controls.map(({ before, points }) => Math.max(...points.map(([, reward]) => reward)) - before);
    const falls = controls.map(({ before, points }) => before - Math.min(...points.map(([, reward]) => reward)));
    return {
      ok:
        median <= medianLimit &&
        needed.every((rollouts) => rollouts !== undefined && rollouts <= mostRollouts) &&
        rises.every((rise) => rise <= controlLimit),
      figures: {
        goal,
        rolloutsToGoal: needed.map((rollouts) => rollouts ?? null),
        medianRollouts: Number.isFinite(median) ? median : null,
        medianLimit,
        mostRollouts,
        controlRises: rises.map(round),
        controlLimit,
        controlFalls: falls.map(round),
        curves: trained.map(({ seed, before, points }) => ({
          seed,
          before,
          points: points.map((point) => [...point]),
        })),
        controlCurves: controls.map(({ seed, before, points }) => ({
          seed,
          before,
          points: points.map((point) => [...point]),
        })),
      },
    };
  },
};

/** Runs the program in a directory that is removed afterwards. */
async function runQuickstart(seed: number, options: readonly string[]): Promise<Curve> {
  const runDirectory = await mkdtemp(join(tmpdir(), 'quickstart-'));
  try {
    const run = ['--seed', `${seed}`, '--validation-seed', `${seed}`, '--steps', `${steps}`];
    const child = spawn(
      process.execPath,
      ['--conditions=@agent-lightning/source', program, ...run, ...options, '--json', '--run-directory', runDirectory],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`the quickstart with seed ${seed} ended with code ${code}:\n${said}`);
    const { validationBefore } = JSON.parse(said.trim().split('\n').at(-1)!) as { readonly validationBefore: number };
    return { seed, before: validationBefore, points: await readPoints(runDirectory) };
  } finally {
    await rm(runDirectory, { recursive: true, force: true });
  }
}

/** Reads the validations of a run, each with the training rollouts until then. */
async function readPoints(runDirectory: string): Promise<Curve['points']> {
  const lines = (await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  let rollouts = 0;
  return lines.flatMap((line) => {
    const step = JSON.parse(line) as { readonly rollouts: number; readonly validation?: { readonly reward: number } };
    rollouts += step.rollouts;
    return step.validation === undefined ? [] : [[rollouts, step.validation.reward] as const];
  });
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
