/** Says which components a mutation rewrites: one after the other, or all at once. */
export type ComponentRule = 'round-robin' | 'all';

/** Returns the components to rewrite. @param next the candidate's pointer: how often one of its components was chosen, its ancestors' choices included */
export function chooseComponents(names: readonly string[], next: number, rule: ComponentRule): readonly string[] {
  return rule === 'all' ? names : [names[next % names.length]!];
}

/** Returns the pointer that a new candidate begins with: the largest of its parents'. */
export function inheritPointer(parents: readonly { readonly nextComponent: number }[]): number {
  return Math.max(0, ...parents.map(({ nextComponent }) => nextComponent));
}
