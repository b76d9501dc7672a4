import { describe, expect, it } from 'vitest';
import { check } from './option-checks.ts';

/** Returns the message of the configuration error that `work` throws. */
function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'option-invalid' });
    return (error as Error).message;
  }
  throw new TypeError('nothing was thrown');
}

describe('check', () => {
  it('returns what is as expected', () => {
    expect(check.wholeNumber('n', 1)).toBe(1);
    expect(check.wholeNumber('n', 9, 0, 9)).toBe(9);
    expect(check.timerMs('n', 2 ** 31 - 1)).toBe(2 ** 31 - 1);
    expect(check.positive('n', 1e-300)).toBe(1e-300);
    expect(check.positive('n', 0, { orZero: true })).toBe(0);
    expect(check.unitInterval('n', 0)).toBe(0);
    expect(check.oneOf('n', 'a', ['a', 'b'])).toBe('a');
    expect(check.knownOptions('grpo', { loss: 1 }, ['loss'])).toBeUndefined();
  });

  it.each([
    [() => check.wholeNumber('n', 0), 'n must be a whole number from 1; got 0'],
    [() => check.wholeNumber('n', 1.5, 0, 9), 'n must be a whole number from 0 to 9; got 1.5'],
    [() => check.wholeNumber('n', 2 ** 53), 'n must be a whole number from 1; got 9007199254740992'],
    [() => check.wholeNumber('n', '3' as never), 'n must be a whole number from 1; got 3'],
    [() => check.timerMs('n', 2 ** 31), 'n must be a whole number from 1 to 2147483647; got 2147483648'],
    [() => check.positive('n', 0), 'n must be a finite number above 0; got 0'],
    [() => check.positive('n', Infinity), 'n must be a finite number above 0; got Infinity'],
    [() => check.positive('n', -1, { orZero: true }), 'n must be a finite number of at least 0; got -1'],
    [() => check.unitInterval('n', 1), 'n must be a number from 0 to below 1; got 1'],
    [() => check.unitInterval('n', Number.NaN), 'n must be a number from 0 to below 1; got NaN'],
    [() => check.oneOf('n', 'c' as 'a', ['a', 'b']), 'n must be one of a, b; got "c"'],
  ])('names the option, what is expected and the value (%#)', (work, message) => {
    expect(messageOf(work)).toBe(message);
  });

  it.each([
    ['lerningRate', 'did you mean "learningRate"? '],
    ['learningrate', 'did you mean "learningRate"? '],
    ['learning_rate', 'did you mean "learningRate"? '],
    ['los', 'did you mean "loss"? '],
    ['temperature', ''],
    ['lr', ''],
  ])('says which option was likely meant by %s', (name, hint) => {
    const work = (): void => check.knownOptions('grpo', { loss: 'ppo', [name]: 1 }, ['learningRate', 'loss']);
    expect(messageOf(work)).toBe(`grpo has no option "${name}"; ${hint}it has learningRate, loss`);
  });
});
