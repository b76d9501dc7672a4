/** The settings of an example about the size of its updates. */
import { UsageError, type Setting } from './command-line.ts';

export type UpdateSetting = 'learning-rate' | 'tasks-per-step';

/** Returns the settings, with the values that suit the example's model. */
export function updateSettings(learningRate: string, tasksPerStep: number): Readonly<Record<UpdateSetting, Setting>> {
  return {
    'learning-rate': {
      value: 'X',
      meaning: 'of Adam, or auto: updates find their size; large models want much less',
      default: learningRate,
    },
    'tasks-per-step': {
      value: 'N',
      meaning: 'tasks of one training step, each run eight times',
      default: String(tasksPerStep),
    },
  };
}

/** The values of these settings. */
export interface UpdateOptions {
  readonly learningRate: number | 'auto';
  readonly tasksPerStep: number;
}

/** Reads the values of these settings. @throws UsageError */
export function readUpdateSettings(settings: Readonly<Record<UpdateSetting, string>>): UpdateOptions {
  return {
    learningRate: readLearningRate(settings['learning-rate']),
    tasksPerStep: readCount('--tasks-per-step', settings['tasks-per-step']),
  };
}

/** Reads a learning rate. @throws UsageError */
export function readLearningRate(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const rate = text.trim() === '' ? Number.NaN : Number(text);
  if (rate > 0 && rate < Infinity) return rate;
  throw new UsageError(`--learning-rate is "${text}"; auto or a number above 0, such as 1e-5, was expected`);
}

function readCount(flag: string, text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 1_000_000) return count;
  throw new UsageError(`${flag} is "${text}"; a whole number from 1 to 1000000 was expected`);
}
