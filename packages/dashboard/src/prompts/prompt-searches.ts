/** The algorithms that search prompts. */
export const promptSearches: readonly unknown[] = ['gepa', 'apo'];
