import { checkKnownOptions } from '../known-options.ts';
import { checkAgentMatch } from './check-agent-match.ts';
import { checkModelNames } from './check-model-names.ts';
import { optionInvalid } from './option-invalid.ts';

/** The longest delay that a timer of Node takes; beyond it, timers fire at once. */
const longestTimerMs = 2 ** 31 - 1;

function wholeNumber(name: string, value: number, min = 1, max: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw optionInvalid(
    name,
    value,
    max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`,
  );
}

function timerMs(name: string, value: number, min = 1): number {
  return wholeNumber(name, value, min, longestTimerMs);
}

function positive(name: string, value: number, options: { readonly orZero?: boolean } = {}): number {
  const isLargeEnough = options.orZero === true ? value >= 0 : value > 0;
  if (Number.isFinite(value) && isLargeEnough) return value;
  throw optionInvalid(
    name,
    value,
    options.orZero === true ? 'a finite number of at least 0' : 'a finite number above 0',
  );
}

function unitInterval(name: string, value: number): number {
  if (value >= 0 && value < 1) return value;
  throw optionInvalid(name, value, 'a number from 0 to below 1');
}

function oneOf<const Value extends string>(name: string, value: Value, allowed: readonly Value[]): Value {
  if (allowed.includes(value)) return value;
  throw optionInvalid(name, JSON.stringify(value), `one of ${allowed.join(', ')}`);
}

interface OptionChecks {
  /** Returns the value when it is a whole number from `min` (1 where none is given) to `max`. */
  readonly wholeNumber: typeof wholeNumber;
  /** Returns the value when it is a whole number of milliseconds from `min` (1 where none is given) that a timer takes. */
  readonly timerMs: typeof timerMs;
  /** Returns the value when it is finite and above 0, or 0 where that is allowed. */
  readonly positive: typeof positive;
  /** Returns the value when it is in [0, 1). */
  readonly unitInterval: typeof unitInterval;
  /** Returns the value when it is one of `allowed`. */
  readonly oneOf: typeof oneOf;
  /** Returns the value when it is a whole name, several of them, or a regular expression. */
  readonly agentMatch: typeof checkAgentMatch;
  /** Returns names of models, whole or as patterns, when they are a list of such. */
  readonly modelNames: typeof checkModelNames;
  /** Rejects options that are not among `names`, and says which of them was likely meant; rejects what is no object of options. */
  readonly knownOptions: typeof checkKnownOptions;
  /** Returns the error for an option that is not as `expected` says. */
  readonly optionInvalid: typeof optionInvalid;
}

/** Checks of what a caller gives. Each names the option, its value and what is expected. @throws {ConfigurationError} `option-invalid` */
export const check: OptionChecks = Object.freeze({
  wholeNumber,
  timerMs,
  positive,
  unitInterval,
  oneOf,
  agentMatch: checkAgentMatch,
  modelNames: checkModelNames,
  knownOptions: checkKnownOptions,
  optionInvalid,
});
