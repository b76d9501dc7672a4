import type { JsonObject } from '../../http/read-body.ts';

/** Begins what this gateway wrote, and nothing that another server encrypted. */
const mark = 'agent-lightning.reasoning.';

/**
 * Tells whether reasoning must travel with its item: clients of a server that stores nothing send back only what has
 * `encrypted_content`, and the model would not see in the next turn what it thought.
 */
export function carriesReasoning({ store, include }: JsonObject): boolean {
  return store === false || (Array.isArray(include) && include.includes('reasoning.encrypted_content'));
}

/** Returns the `encrypted_content` that holds a reasoning; it is encoded and not secret, since the item's content has the same text. */
export function carryReasoning(text: string): string {
  return mark + Buffer.from(text).toString('base64url');
}

/** Returns the reasoning that an `encrypted_content` of this gateway holds; undefined for one of another server. */
export function readCarriedReasoning(carried: string): string | undefined {
  if (!carried.startsWith(mark)) return undefined;
  return Buffer.from(carried.slice(mark.length), 'base64url').toString();
}
