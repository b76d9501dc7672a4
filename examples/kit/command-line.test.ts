import { describe, expect, it } from 'vitest';

import { commandOf, readCommandLine, usageOf, UsageError, type ExampleOptions } from './command-line.ts';

const program = {
  command: 'npm run example',
  purpose: 'Trains an example.',
  defaultSteps: 20,
  outcome: 'Right answers',
  flags: { 'no-tools': 'takes its tools away' },
};
const { flags: _, ...plainProgram } = program;

describe('the command line', () => {
  it('has defaults for everything', () => {
    expect(readCommandLine(program, [])).toEqual({
      seed: 0,
      validationSeed: 0,
      control: 'none',
      steps: 20,
      json: false,
      flags: { 'no-tools': false },
    });
    expect(readCommandLine(plainProgram, [])).toMatchObject({ flags: {} });
  });

  it('reads every flag', () => {
    const args = '--seed 2 --validation-seed=77 --control shuffled --steps 3 --json --no-tools --resume runs/a';
    expect(readCommandLine(program, args.split(' '))).toEqual({
      seed: 2,
      validationSeed: 77,
      control: 'shuffled',
      steps: 3,
      json: true,
      resume: 'runs/a',
      flags: { 'no-tools': true },
    });
    expect(readCommandLine(program, ['--run-directory', 'runs/b'])).toMatchObject({ runDirectory: 'runs/b' });
    expect(readCommandLine(program, ['--help', '--seed', 'x'])).toBe('help');
  });

  it.each([
    [['--seed', 'one'], '--seed is "one"; a whole number from 0'],
    [['--seed', '1.5'], '--seed is "1.5"'],
    [['--steps', '0'], '--steps is "0"; a whole number from 1'],
    [['--validation-seed', '99999999999'], '--validation-seed is "99999999999"'],
    [['--control', 'random'], '--control is "random"; it can be shuffled or none'],
    [['--sead', '1'], '--sead'],
    [['--no-tools=1'], '--no-tools'],
    [['extra'], 'extra'],
    [['--seed'], '--seed'],
    [['--resume', 'a', '--run-directory', 'b'], 'give one of them'],
  ])('refuses %j and says why', (args, message) => {
    expect(() => readCommandLine(program, args)).toThrow(UsageError);
    expect(() => readCommandLine(program, args)).toThrow(message);
  });

  it('knows the flags of its own program only', () => {
    expect(() => readCommandLine(plainProgram, ['--no-tools'])).toThrow(/--no-tools/);
  });

  it('explains every flag', () => {
    const usage = usageOf(program);
    const flags = ['seed N', 'validation-seed M', 'control shuffled', 'steps N', 'run-directory DIR', 'resume DIR'];
    for (const flag of [...flags, 'json', 'help']) expect(usage).toContain(`\n  --${flag} `);
    expect(usage).toContain('\n  --no-tools           takes its tools away\n');
    expect(usage).toMatch(/^Trains an example\.\n\n {2}npm run example -- \[options\]\n/);
  });

  it('can be said again', () => {
    const args = '--seed 3 --validation-seed 4 --control shuffled --steps 2 --no-tools --resume runs/a'.split(' ');
    const command = commandOf(program, readCommandLine(program, args) as ExampleOptions<'no-tools'>);
    expect(command).toBe(`npm run example -- ${args.join(' ')}`);
    expect(commandOf(program, readCommandLine(program, []) as ExampleOptions<'no-tools'>)).toBe(
      'npm run example -- --seed 0',
    );
  });
});
