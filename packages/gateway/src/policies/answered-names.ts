/** Names of models, whole or as patterns. */
export type ModelNames = readonly (string | RegExp)[];

/** The longest name that is looked up: a pattern may take very long over the text of a call that is no name. */
const longestName = 200;

/** Tells whether a model's name is one of these, or matches a pattern among them. */
export function isAmongNames(model: string, names: ModelNames): boolean {
  if (model.length > longestName) return false;
  return names.some((each) => (typeof each === 'string' ? each === model : model.search(each) >= 0));
}

/** Returns the names among them that are no patterns. */
export function wholeNames(names: ModelNames): readonly string[] {
  return names.filter((each) => typeof each === 'string');
}
