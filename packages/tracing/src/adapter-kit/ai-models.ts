// Providers that speak a dialect of their own, by how their models name them.
const otherDialects = /^(?:gateway|google|vertex|amazon-bedrock|bedrock|cohere)(?:\.|$)|\.anthropic\./;

/** Tells whether calls of an AI SDK provider are known to be in a dialect that is not redirected: they cannot be sent elsewhere as they are. */
export function speaksOtherDialect(provider: unknown): boolean {
  return typeof provider === 'string' && otherDialects.test(provider);
}

/**
 * Tells whether an AI SDK model may have middleware in it: `wrapLanguageModel` gives an object without a class, which nobody can look
 * into. Another model in its place would drop what the app does there.
 */
export function mayHoldMiddleware(model: unknown): boolean {
  if (typeof model !== 'object' || model === null || !Object.hasOwn(model, 'doGenerate')) return false;
  const prototype: unknown = Object.getPrototypeOf(model);
  return prototype === Object.prototype || prototype === null;
}
