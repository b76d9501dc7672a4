/** Tells whether a text can be the id of a rollout or a group; a store rejects others. */
export function isId(text: string): boolean {
  return /^[A-Za-z0-9._:-]{1,200}$/.test(text);
}
