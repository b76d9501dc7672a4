/** Bounds the work of one rendering: a template is a foreign file, and its loops may never end. */
import { templateError } from './template-error.ts';
import type { Value } from './values.ts';

/**
 * The work that every rendering may do, and that it may do for each character and value of what it is filled with. An expression
 * and a statement take 1, and so do each item of a list and 32 characters of a text that comes out; a turn of a loop and a call take 20.
 */
const freeWork = 2_000_000;
const workPerCharacter = 100;
const charactersPerWork = 32;

/** The errors of renderings that had no work left. */
const endless = new WeakSet<object>();

/** The work that is left to the rendering that goes on. Renderings are synchronous, so that there is one at most. */
let left = Infinity;

/** The work of a turn of a loop and of a call, which make variables of their own. */
export const workPerTurn = 20;

/** Runs a rendering that is filled with so many characters and values. */
export function renderWithin<Result>(characters: number, render: () => Result): Result {
  const before = left;
  left = freeWork + workPerCharacter * characters;
  try {
    return render();
  } finally {
    left = before;
  }
}

/** Takes work from the rendering that goes on. @throws {BackendError} `samples-invalid` when there is none left */
export function spend(work: number): void {
  left -= work;
  if (left >= 0) return;
  const error = templateError(
    'it does far more work than a chat of their size needs: it loops without end, or its texts and lists grow without end',
  );
  endless.add(error);
  throw error;
}

/** Tells whether an error is that of a rendering that had no work left. */
export function isEndless(error: unknown): boolean {
  return typeof error === 'object' && error !== null && endless.has(error);
}

/** Takes the work of a value that was made, and returns it. */
export function pay<Made extends Value>(value: Made): Made {
  if (typeof value === 'string') spend(value.length / charactersPerWork);
  else if (Array.isArray(value)) spend(value.length);
  else if (value instanceof Map) spend(value.size);
  return value;
}

/** Returns the characters and values that a value is made of, as far as they count for the budget. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string') return 1 + value.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + sizeOf(item), 1);
  if (!(value instanceof Map)) return 1;
  let sum = 1;
  for (const [key, item] of value) sum += sizeOf(key) + sizeOf(item);
  return sum;
}
