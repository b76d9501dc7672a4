import type { TrainingResult } from '@agent-lightning/trainer';
import { describe, expect, it } from 'vitest';

import { readCommandLine, type ExampleOptions } from './command-line.ts';
import { summarize, toJsonLine } from './summary.ts';

const program = {
  command: 'npm run example',
  purpose: 'Trains an example.',
  defaultSteps: 20,
  outcome: 'Right answers',
  flags: { 'no-tools': 'takes its tools away' },
};

const noCalls = {
  calls: 0,
  inputTokens: 0,
  outputTokens: 0,
  cachedTokens: 0,
  withoutUsage: 0,
  usd: 0,
  withoutPrice: 0,
};

const result: TrainingResult = {
  runId: 'run-1',
  runDirectory: 'runs/a',
  stopReason: 'completed',
  steps: 16,
  rollouts: 4000,
  transitions: 5000,
  validationBefore: 0.25,
  validationAfter: 0.9625,
  verdict: {
    answer: 'better',
    gain: 0.7,
    interval: [0.62, 0.77],
    detectable: 0.09,
    tasks: 160,
    baseline: { reward: 0.25, rollouts: 640, failed: 0 },
    candidate: { reward: 0.95, rollouts: 640, failed: 1 },
  },
  bestStep: 16,
  curve: [
    { step: 0, validation: 0.25 },
    { step: 16, reward: 0.9, validation: 0.9625 },
  ],
  spend: {
    rollouts: 4000,
    minutes: 1.2,
    tokens: 0,
    usd: 0,
    parts: { agent: noCalls, judge: noCalls, optimizer: noCalls },
    models: [],
  },
  wallSeconds: 70.4,
  modelDirectory: 'runs/a/model',
  reportPath: 'runs/a/report.html',
};
const optionsOf = (...args: string[]) => readCommandLine(program, args) as ExampleOptions<'no-tools'>;

describe('the end of a run', () => {
  it('is told in plain words', () => {
    const text = summarize(program, optionsOf('--seed', '1'), result);
    expect(text).toContain('Right answers: 25.0 % before, 96.3 % after.');
    expect(text).toContain(
      'Verdict on step 16: better by 0.700 (+0.620 to +0.770): reward 0.250 → 0.950 on 160 tasks, failed rollouts 0 of 640 → 1 of 640.',
    );
    expect(summarize(program, optionsOf(), { ...result, verdict: undefined })).not.toContain('Verdict');
    expect(text).toContain('It took 16 steps, 4000 rollouts, 5000 model calls, 70 s.');
    expect(text).toContain('runs/a/report.html');
    expect(text).toContain('Again:   npm run example -- --seed 1\n');
    expect(text).toContain('npm run example -- --seed 1 --control shuffled');
  });

  it('ends with what to try next, where there is something', () => {
    const next = 'npm run example:next';
    expect(summarize({ ...program, next }, optionsOf(), result)).toMatch(/\nNext: +npm run example:next$/);
    expect(summarize(program, optionsOf(), result)).not.toContain('Next:');
  });

  it('says what the model directory holds', () => {
    expect(summarize(program, optionsOf(), result)).toContain('Model:   runs/a/model (Hugging Face layout)\n');
    const holds = 'the best prompts';
    expect(summarize({ ...program, holds }, optionsOf(), result)).toContain(
      'Model:   runs/a/model (the best prompts)\n',
    );
  });

  it('tells how to begin again, not how to resume', () => {
    expect(summarize(program, optionsOf('--resume', 'runs/a'), result)).not.toContain('--resume');
  });

  it('says that a control is one', () => {
    const text = summarize(program, optionsOf('--control', 'shuffled'), { ...result, validationAfter: 0.2 });
    expect(text).toContain('This was the control');
    expect(text).not.toContain('Control:');
  });

  it('says how to go on after an interruption', () => {
    const text = summarize(program, optionsOf('--steps', '30'), {
      ...result,
      stopReason: 'interrupted',
      steps: 3,
      validationAfter: undefined,
    });
    expect(text).toBe(
      'Interrupted after 3 steps, 4000 rollouts, 5000 model calls, 70 s.\nGo on: npm run example -- --seed 0 --steps 30 --resume runs/a',
    );
  });

  it('is one line of JSON with everything that was measured', () => {
    const line = toJsonLine(optionsOf('--seed', '2', '--validation-seed', '5'), result);
    expect(line).not.toContain('\n');
    expect(JSON.parse(line)).toEqual({ seed: 2, control: 'none', validationSeed: 5, 'no-tools': false, ...result });
  });
});
