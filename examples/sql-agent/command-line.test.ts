import { describe, expect, it } from 'vitest';

import { defaultSteps, readCommandLine, UsageError } from './command-line.ts';

describe('the command line', () => {
  it('has defaults for everything', () => {
    expect(readCommandLine([])).toEqual({
      seed: 0,
      validationSeed: 0,
      control: 'none',
      steps: defaultSteps,
      json: false,
    });
  });

  it('reads every flag', () => {
    const args = '--seed 2 --validation-seed=77 --control shuffled --steps 3 --json --resume runs/a'.split(' ');
    expect(readCommandLine(args)).toEqual({
      seed: 2,
      validationSeed: 77,
      control: 'shuffled',
      steps: 3,
      json: true,
      resume: 'runs/a',
    });
    expect(readCommandLine(['--run-directory', 'runs/b'])).toMatchObject({ runDirectory: 'runs/b' });
    expect(readCommandLine(['--help', '--seed', 'x'])).toBe('help');
  });

  it.each([
    [['--seed', 'one'], '--seed is "one"; a whole number from 0'],
    [['--seed', '1.5'], '--seed is "1.5"'],
    [['--steps', '0'], '--steps is "0"; a whole number from 1'],
    [['--validation-seed', '99999999999'], '--validation-seed is "99999999999"'],
    [['--control', 'random'], '--control is "random"; it can be shuffled or none'],
    [['--sead', '1'], '--sead'],
    [['extra'], 'extra'],
    [['--seed'], '--seed'],
    [['--resume', 'a', '--run-directory', 'b'], 'give one of them'],
  ])('refuses %j and says why', (args, message) => {
    expect(() => readCommandLine(args)).toThrow(UsageError);
    expect(() => readCommandLine(args)).toThrow(message);
  });
});
