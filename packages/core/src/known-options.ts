import { ConfigurationError } from './errors.ts';
import { showValue } from './show-value.ts';

/**
 * Checks that `options` is an object which has no other options than `names`. Names as a record are complete: the compiler asks for each.
 * @param owner what takes the options, such as `Trainer` or `fit: verdict`
 * @throws {ConfigurationError} `option-invalid` that names the option, the one that was likely meant, and all that there are
 */
export function checkKnownOptions<Options extends object>(
  owner: string,
  options: Options,
  names: readonly string[] | Readonly<Record<keyof Options, true>>,
): void {
  const known = Array.isArray(names) ? (names as readonly string[]) : Object.keys(names);
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalid(`${owner} takes an object of options (${known.join(', ')}); got ${showValue(options)}`);
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const near = findNearest(unknown, known);
  const hint = near === undefined ? '' : `did you mean "${near}"? `;
  throw invalid(`${owner} has no option "${unknown}"; ${hint}it has ${known.join(', ')}`);
}

function invalid(message: string): ConfigurationError {
  return new ConfigurationError(message, { code: 'option-invalid' });
}

/** Returns the name that was likely meant: the nearest one, when it differs in no more than case and two letters. */
function findNearest(given: string, names: readonly string[]): string | undefined {
  const distances = names.map((name) => editDistance(given.toLowerCase(), name.toLowerCase()));
  const least = Math.min(...distances);
  const nearest = names[distances.indexOf(least)];
  return nearest !== undefined && least <= Math.min(2, Math.ceil(nearest.length / 3)) ? nearest : undefined;
}

/** Returns how many letters have to be added, removed or replaced to make one text the other. */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (const [row, letter] of [...one].entries()) {
    const current = [row + 1];
    for (let column = 0; column < other.length; column += 1) {
      const replaced = previous[column]! + (letter === other[column] ? 0 : 1);
      current.push(Math.min(replaced, previous[column + 1]! + 1, current[column]! + 1));
    }
    previous = current;
  }
  return previous.at(-1)!;
}
