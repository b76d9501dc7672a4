import { checkLimits, type ResolvedLimits, type RunLimits } from './limits.ts';
import { checkPrices, type ModelPrice } from './prices.ts';

/** The rules by which a run counts what it spends, checked. */
export interface SpendingRules {
  readonly limits: ResolvedLimits;
  /** The user's own prices, by model. */
  readonly prices: Readonly<Record<string, ModelPrice>>;
}

/** Checks limits and prices. @param owner whose options they are, in messages. @throws {ConfigurationError} `option-invalid` */
export function checkSpending(
  owner: string,
  { limits = {}, prices = {} }: { readonly limits?: RunLimits; readonly prices?: SpendingRules['prices'] },
): SpendingRules {
  return Object.freeze({ limits: checkLimits(owner, limits), prices: checkPrices(owner, prices) });
}
