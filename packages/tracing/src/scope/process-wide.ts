/**
 * Returns the one value that goes by this name in the process, and creates it at the first call: all copies of a package share it,
 * be they ESM, CommonJS or duplicate installs. A name ends in the version of the value's shape (`agentlightning.rollout-scope.v1`),
 * so that versions of a package that disagree about the shape do not share it.
 */
export function processWide<Value extends object>(
  name: `agentlightning.${string}.v${number}`,
  create: () => Value,
): Value {
  const values = globalThis as unknown as Record<symbol, Value | undefined>;
  return (values[Symbol.for(name)] ??= create());
}
