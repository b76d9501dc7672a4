import { expect, it } from 'vitest';

import { UsageError } from './command-line.ts';
import { readLearningRate, readUpdateSettings, updateSettings } from './update-settings.ts';

it('reads its own defaults', () => {
  const settings = updateSettings('1.5e-4', 24);
  const values = {
    'learning-rate': settings['learning-rate'].default,
    'tasks-per-step': settings['tasks-per-step'].default,
  };
  expect(readUpdateSettings(values)).toEqual({ learningRate: 1.5e-4, tasksPerStep: 24 });
});

it('reads auto', () => {
  expect(readLearningRate('auto')).toBe('auto');
});

it.each(['', '0', '-1', 'Auto', '1e-4x', 'Infinity'])('refuses the learning rate "%s"', (text) => {
  expect(() => readLearningRate(text)).toThrow(UsageError);
});

it.each(['', '0', '-1', '8.5', 'eight'])('refuses "%s" tasks a step', (text) => {
  expect(() => readUpdateSettings({ 'learning-rate': 'auto', 'tasks-per-step': text })).toThrow(/--tasks-per-step is/);
});
