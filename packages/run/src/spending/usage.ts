/** The side of a run that asks a model: the agent on a task, a judge that scores, or the algorithm that writes prompts. */
export type SpendPart = 'agent' | 'judge' | 'optimizer';

export const spendParts: readonly SpendPart[] = ['agent', 'judge', 'optimizer'];

/** The model calls of one part to one model, counted. */
export interface Usage {
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Input tokens that were read from a cache; they are among `inputTokens`. */
  readonly cachedTokens: number;
  /** Calls that were answered and whose tokens nobody reported in full: what is missing is in no figure of tokens. */
  readonly withoutUsage: number;
}

/** Usage by part and model. */
export type UsageTable = ReadonlyMap<string, Usage>;

const none: Usage = { calls: 0, inputTokens: 0, outputTokens: 0, cachedTokens: 0, withoutUsage: 0 };

/** Names a line of a table. */
export function usageKey(part: SpendPart, model: string): string {
  return `${part}\n${model}`;
}

/** Returns the part and the model that a line of a table is for. */
export function readUsageKey(key: string): readonly [part: SpendPart, model: string] {
  const end = key.indexOf('\n');
  return [key.slice(0, end) as SpendPart, key.slice(end + 1)];
}

/** Adds a table to another one, or takes it away; a line that comes to nothing is left out. */
export function addUsage(table: Map<string, Usage>, added: UsageTable, sign: 1 | -1 = 1): void {
  for (const [key, usage] of added) {
    const before = table.get(key) ?? none;
    const after = {
      calls: before.calls + sign * usage.calls,
      inputTokens: before.inputTokens + sign * usage.inputTokens,
      outputTokens: before.outputTokens + sign * usage.outputTokens,
      cachedTokens: before.cachedTokens + sign * usage.cachedTokens,
      withoutUsage: before.withoutUsage + sign * usage.withoutUsage,
    };
    if (Object.values(after).every((count) => count === 0)) table.delete(key);
    else table.set(key, after);
  }
}

/** The tokens of one call. A figure that is undefined was not reported. */
export interface CallTokens {
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  /** @default 0 */
  readonly cachedTokens?: number | undefined;
}

/** Returns the table of one call. */
export function usageOfCall(
  key: string,
  { inputTokens, outputTokens, cachedTokens = 0 }: CallTokens,
): readonly [string, Usage] {
  const isReported = inputTokens !== undefined && outputTokens !== undefined;
  return [
    key,
    {
      calls: 1,
      inputTokens: inputTokens ?? 0,
      outputTokens: outputTokens ?? 0,
      cachedTokens: Math.min(cachedTokens, inputTokens ?? 0),
      withoutUsage: isReported ? 0 : 1,
    },
  ];
}
