import { check, type AgentMatch, type RoutedPolicy } from '@agent-lightning/core';
import { onlyPolicyName } from '@agent-lightning/run';

/** One of several policies that a run trains. */
export interface PolicyOptions {
  /**
   * Selects the calls that it answers; tested against each of a caller's names, as adapters hand them over. A text is one whole name, an
   * array lists several.
   */
  readonly agentMatch: AgentMatch;
  /** A number, or `'auto'` for updates that size themselves. @default the algorithm's */
  readonly learningRate?: number | 'auto';
}

/** The name under which the frozen base model answers callers that no policy is for. */
export const baseModelName = 'base';

const nameForm = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

/** Matches what no folder may be called on Windows: names of devices, also with an ending, and a point at the end. */
const noFolder = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)|\.$/i;

/** Returns the policies of a run, in the order in which their patterns are tried. @throws {ConfigurationError} `option-invalid` */
export function resolvePolicies(
  policies: Readonly<Record<string, PolicyOptions>> | undefined,
): readonly RoutedPolicy[] {
  if (policies === undefined)
    return [Object.freeze({ name: onlyPolicyName, agentMatch: undefined, learningRate: undefined })];
  if (typeof policies !== 'object' || policies === null || Object.keys(policies).length === 0)
    throw check.optionInvalid(
      'Trainer: policies',
      JSON.stringify(policies),
      'a map of at least one name to { agentMatch }, such as { writer: { agentMatch: /write/ } }',
    );
  checkFolders(Object.keys(policies));
  return Object.freeze(Object.entries(policies).map(([name, given]) => Object.freeze(resolvePolicy(name, given))));
}

/** Checks that each policy can have a folder of its own under its name, on every system. */
function checkFolders(names: readonly string[]): void {
  const reserved = names.find((name) => noFolder.test(name));
  if (reserved !== undefined)
    throw check.optionInvalid(
      'Trainer: a name in policies',
      JSON.stringify(reserved),
      'a name that a folder may have on Windows too: no device such as con, aux or nul, and no point at the end',
    );
  for (const alike of Map.groupBy(names, (name) => name.toLowerCase()).values())
    if (alike.length > 1)
      throw check.optionInvalid(
        'Trainer: policies',
        alike.map((name) => JSON.stringify(name)).join(' and '),
        'names that differ by more than capitals: each is the name of a folder, and macOS and Windows take those for one',
      );
}

function resolvePolicy(name: string, given: PolicyOptions): RoutedPolicy {
  const path = `Trainer: policies.${name}`;
  if (!nameForm.test(name) || name === baseModelName)
    throw check.optionInvalid(
      'Trainer: a name in policies',
      JSON.stringify(name),
      `up to 64 letters, digits, ".", "_" and "-", the first a letter, and not "${baseModelName}"`,
    );
  check.knownOptions(path, given, ['agentMatch', 'learningRate']);
  const agentMatch = check.agentMatch(`${path}.agentMatch`, given.agentMatch);
  return {
    name,
    agentMatch,
    learningRate: checkRate(`${path}.learningRate`, given.learningRate),
  };
}

/** Tells whether calls are told apart by their callers. */
export function isRouted(policies: readonly RoutedPolicy[]): boolean {
  return policies.some(({ agentMatch }) => agentMatch !== undefined);
}

/** Checks a rate as a user gives it, or undefined. @throws {ConfigurationError} `option-invalid` */
export function checkRate(option: string, rate: number | 'auto' | undefined): number | 'auto' | undefined {
  if (rate === undefined || rate === 'auto') return rate;
  if (typeof rate === 'number') return check.positive(option, rate);
  throw check.optionInvalid(option, JSON.stringify(rate), "'auto' or a number above 0, such as 1e-5");
}
