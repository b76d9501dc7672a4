import { check } from '@agent-lightning/core';

/** The price of a model, in US dollars for a million tokens. */
export interface ModelPrice {
  readonly input: number;
  readonly output: number;
  /** The price of input tokens that the server read from its cache. @default `input` */
  readonly cachedInput?: number;
}

/** The day for which the prices below were read; makers change theirs, and `prices` of the trainer replaces any. */
export const pricesOf = '2026-07-24';

/**
 * List prices of makers' own interfaces, without discounts for batches, caches or volume, and without surcharges for long prompts.
 * @source LiteLLM's table of model prices, as of `pricesOf`
 */
const listed: Readonly<Record<string, readonly [input: number, output: number]>> = {
  'gpt-4o': [2.5, 10],
  'gpt-4o-mini': [0.15, 0.6],
  'gpt-4.1': [2, 8],
  'gpt-4.1-mini': [0.4, 1.6],
  'gpt-4.1-nano': [0.1, 0.4],
  o3: [2, 8],
  'o4-mini': [1.1, 4.4],
  'gpt-5': [1.25, 10],
  'gpt-5-mini': [0.25, 2],
  'gpt-5-nano': [0.05, 0.4],
  'gpt-5.1': [1.25, 10],
  'gpt-5.2': [1.75, 14],
  'gpt-5.4': [2.5, 15],
  'gpt-5.4-mini': [0.75, 4.5],
  'gpt-5.4-nano': [0.2, 1.25],
  'gpt-5.5': [5, 30],
  'claude-haiku-4-5': [1, 5],
  'claude-sonnet-4-5': [3, 15],
  'claude-sonnet-4-6': [3, 15],
  'claude-opus-4-1': [15, 75],
  'claude-opus-4-5': [5, 25],
  'claude-opus-4-6': [5, 25],
  'claude-opus-4-7': [5, 25],
  'gemini-2.5-pro': [1.25, 10],
  'gemini-2.5-flash': [0.3, 2.5],
  'gemini-2.5-flash-lite': [0.1, 0.4],
  'gemini-3-pro-preview': [2, 12],
  'gemini-3-flash-preview': [0.5, 3],
  'deepseek-chat': [0.28, 0.42],
  'deepseek-reasoner': [0.28, 0.42],
};

/** Checks the prices that a user gives. @throws {ConfigurationError} `option-invalid` */
export function checkPrices(
  owner: string,
  prices: Readonly<Record<string, ModelPrice>>,
): Readonly<Record<string, ModelPrice>> {
  const checked: Record<string, ModelPrice> = {};
  for (const [model, price] of Object.entries(prices)) {
    const name = `${owner}: prices[${JSON.stringify(model)}]`;
    check.knownOptions(name, price, ['input', 'output', 'cachedInput']);
    const { input, output, cachedInput } = price;
    checked[model] = {
      input: check.positive(`${name}.input`, input, { orZero: true }),
      output: check.positive(`${name}.output`, output, { orZero: true }),
      ...(cachedInput !== undefined && {
        cachedInput: check.positive(`${name}.cachedInput`, cachedInput, { orZero: true }),
      }),
    };
  }
  return Object.freeze(checked);
}

/** Finds the prices of models: those of the user, then the listed ones. */
export class PriceBook {
  readonly #given: Readonly<Record<string, ModelPrice>>;
  readonly #free: ReadonlySet<string>;

  /** @param free models that cost nothing unless the user gives them a price, such as a policy that this machine samples */
  constructor(given: Readonly<Record<string, ModelPrice>> = {}, free: readonly string[] = []) {
    this.#given = given;
    this.#free = new Set(free);
  }

  /** Returns the price of a model by its name, also without the maker's name before it or the date after it; undefined where none is known. */
  find(model: string): ModelPrice | undefined {
    const [own, ...others] = namesOf(model);
    for (const name of [own!, ...others]) if (Object.hasOwn(this.#given, name)) return this.#given[name];
    if (this.#free.has(model)) return { input: 0, output: 0 };
    for (const name of [own!, ...others])
      if (Object.hasOwn(listed, name)) return { input: listed[name]![0], output: listed[name]![1] };
    return undefined;
  }
}

/** Tells whether a name is that of a model, which a server may answer with the date of its version. */
export function isNameOf(name: string, model: string): boolean {
  return namesOf(name).some((each) => namesOf(model).includes(each));
}

/** Returns the names under which a model may be listed: as it is, without `openai/`, and without `-2025-04-14`, `-20250929` or `-latest`. */
function namesOf(model: string): readonly string[] {
  const short = model.slice(model.lastIndexOf('/') + 1);
  const undated = short.replace(/-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$/, '');
  return [...new Set([model, short, undated])];
}
