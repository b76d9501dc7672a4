import type { PriceBook } from './prices.ts';
import { readUsageKey, spendParts, type SpendPart, type Usage, type UsageTable } from './usage.ts';

/** The model calls of one part, and what they cost. */
export interface PartSpend extends Usage {
  /** US dollars of the calls whose model has a price and whose tokens were reported. */
  readonly usd: number;
  /** Calls of models without a price. */
  readonly withoutPrice: number;
}

/** The model calls of one part to one model. */
export interface ModelSpend extends PartSpend {
  readonly part: SpendPart;
  readonly model: string;
}

/** Everything that a run has spent so far, over all of its processes. */
export interface Spend {
  /** Rollouts that were begun. */
  readonly rollouts: number;
  /** Minutes in which the run worked. */
  readonly minutes: number;
  /** Tokens, sent and received, of all calls whose tokens were reported. */
  readonly tokens: number;
  /** US dollars of the calls whose model has a price and whose tokens were reported. */
  readonly usd: number;
  readonly parts: Readonly<Record<SpendPart, PartSpend>>;
  /** The same by part and model, the dearest first. */
  readonly models: readonly ModelSpend[];
}

/** Returns the cost of some usage of a model in US dollars; undefined where the model has no price. */
export function priceUsage(
  model: string,
  { inputTokens, outputTokens, cachedTokens }: Usage,
  prices: PriceBook,
): number | undefined {
  const price = prices.find(model);
  if (price === undefined) return undefined;
  const { input, output, cachedInput = input } = price;
  return ((inputTokens - cachedTokens) * input + cachedTokens * cachedInput + outputTokens * output) / 1e6;
}

/** Sums up what was used. */
export function sumSpend(
  table: UsageTable,
  prices: PriceBook,
  { rollouts, minutes }: Pick<Spend, 'rollouts' | 'minutes'>,
): Spend {
  const models = [...table]
    .filter(([, { calls }]) => calls > 0)
    .map(([key, usage]): ModelSpend => {
      const [part, model] = readUsageKey(key);
      const usd = priceUsage(model, usage, prices);
      return { part, model, ...usage, usd: usd ?? 0, withoutPrice: usd === undefined ? usage.calls : 0 };
    })
    .sort((one, other) => other.usd - one.usd || tokensOf(other) - tokensOf(one));
  const parts = Object.fromEntries(
    spendParts.map((part) => [part, sumUp(models.filter((model) => model.part === part))]),
  ) as unknown as Spend['parts'];
  const all = sumUp(models);
  return { rollouts, minutes, tokens: tokensOf(all), usd: all.usd, parts, models };
}

function sumUp(models: readonly ModelSpend[]): PartSpend {
  const sum = (read: (model: ModelSpend) => number): number => models.reduce((total, each) => total + read(each), 0);
  return {
    calls: sum(({ calls }) => calls),
    inputTokens: sum(({ inputTokens }) => inputTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
    cachedTokens: sum(({ cachedTokens }) => cachedTokens),
    withoutUsage: sum(({ withoutUsage }) => withoutUsage),
    usd: sum(({ usd }) => usd),
    withoutPrice: sum(({ withoutPrice }) => withoutPrice),
  };
}

/** Returns the tokens of a part, sent and received. */
export function tokensOf({ inputTokens, outputTokens }: Pick<Usage, 'inputTokens' | 'outputTokens'>): number {
  return inputTokens + outputTokens;
}

/** Describes what was spent in a few words, such as `12.3k tokens, $0.042 (agent $0.030, judge $0.012)`; empty where no model was asked. */
export function describeSpend({ tokens, usd, parts }: Pick<Spend, 'tokens' | 'usd' | 'parts'>): string {
  const used = spendParts.filter((part) => parts[part].calls > 0);
  if (used.length === 0) return '';
  const isPriced = used.some((part) => parts[part].withoutPrice < parts[part].calls);
  const figureOf = (part: SpendPart): string => (isPriced ? describeCost(parts[part]) : shorten(tokensOf(parts[part])));
  const split = used.length < 2 ? '' : ` (${used.map((part) => `${part} ${figureOf(part)}`).join(', ')})`;
  const unknown = used.some((part) => parts[part].withoutUsage > 0 || parts[part].withoutPrice > 0);
  const total = isPriced ? `, ${unknown ? 'at least ' : ''}${formatUsd(usd)}` : '';
  return `${shorten(tokens)} tokens${total}${split}`;
}

function describeCost({ usd, withoutPrice, calls }: PartSpend): string {
  return withoutPrice === calls ? 'no price' : formatUsd(usd);
}

/** Formats an amount: cents from one dollar on, else three figures that tell something. */
export function formatUsd(usd: number): string {
  if (usd === 0) return '$0';
  return usd >= 1 ? `$${usd.toFixed(2)}` : `$${Number(usd.toPrecision(2))}`;
}

function shorten(count: number): string {
  if (count < 1_000) return String(count);
  return count < 1e6 ? `${(count / 1e3).toFixed(1)}k` : `${(count / 1e6).toFixed(2)}M`;
}
