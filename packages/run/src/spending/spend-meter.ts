import { check, TrainerError, type LightningError, type Span, type SpanInput } from '@agent-lightning/core';
import { systemClock, type Clock } from '@agent-lightning/platform';
import { AttemptCalls } from './attempt-calls.ts';
import { isNameOf, PriceBook } from './prices.ts';
import { describeSpend, formatUsd, sumSpend, type Spend } from './spend.ts';
import { SpendLedger, type LedgerTotals } from './spend-ledger.ts';
import type { SpendingRules } from './spending-rules.ts';
import {
  addUsage,
  readUsageKey,
  usageKey,
  usageOfCall,
  type CallTokens,
  type SpendPart,
  type Usage,
  type UsageTable,
} from './usage.ts';

export interface SpendMeterOptions {
  readonly rules: SpendingRules;
  /** Models that cost nothing unless the user gives them a price, such as a policy that this machine samples. @default none */
  readonly free?: readonly string[];
  /** Hosted models that may answer in the place of a policy, such as a teacher: such a call costs what they cost. @default none */
  readonly hosted?: readonly string[];
  /** The file that keeps what is spent over all processes of the run. @default none: what is spent is forgotten with the meter */
  readonly path?: string;
  /** Gets a sentence for each model whose calls cannot be counted whole, where that is limited. */
  readonly onWarning: (message: string) => void;
  readonly clock?: Clock;
}

/** A call that the algorithm or a judge makes, before it is made. */
interface AskedCall {
  readonly part: SpendPart;
  /** Undefined where a function answers, and does not tell its model before. */
  readonly model: string | undefined;
}

/** A call that was answered. */
type AnsweredCall = AskedCall & CallTokens;

const noTotals: LedgerTotals = { usage: new Map(), attempts: new Map(), rollouts: 0, ms: 0 };

/** Time is written to the ledger this often; a process that is killed loses at most so much of it. */
const timeEveryMs = 5_000;

/** Counts what a run spends, and ends it at its limits. */
export class SpendMeter {
  readonly #limits: SpendingRules['limits'];
  readonly #prices: PriceBook;
  readonly #onWarning: SpendMeterOptions['onWarning'];
  readonly #hosted: readonly string[];
  readonly #clock: Clock;
  readonly #ledger: SpendLedger | undefined;
  readonly #usage = new Map<string, Usage>();
  /** The attempts whose spans are still written, or not read back yet. */
  readonly #open = new Map<string, AttemptCalls>();
  /** What was counted of each attempt. */
  readonly #counted: Map<string, UsageTable>;
  /** Attempts whose count is this process's own, of all their calls so far. */
  readonly #recounted = new Set<string>();
  /** Attempts whose rollouts are final and were read: nothing more comes of them. */
  readonly #closed = new Set<string>();
  readonly #reached = new AbortController();
  readonly #ended = new AbortController();
  readonly #told = new Set<string>();
  #rollouts: number;
  #ms: number;
  #countedAtMs: number | undefined;
  #refused = 0;

  private constructor(options: SpendMeterOptions, totals: LedgerTotals, ledger: SpendLedger | undefined) {
    this.#limits = options.rules.limits;
    this.#prices = new PriceBook(options.rules.prices, options.free);
    this.#onWarning = options.onWarning;
    this.#hosted = options.hosted ?? [];
    this.#clock = options.clock ?? systemClock;
    this.#ledger = ledger;
    addUsage(this.#usage, totals.usage);
    this.#counted = new Map(totals.attempts);
    this.#rollouts = totals.rollouts;
    this.#ms = totals.ms;
  }

  /** Checks that models have a price where money is limited. @throws {ConfigurationError} `option-invalid` */
  static requirePrices({ limits, prices }: SpendingRules, models: readonly string[]): void {
    const book = new PriceBook(prices);
    const unknown = models.find((model) => book.find(model) === undefined);
    if (unknown !== undefined && limits.usd < Infinity) throw missingPrice(unknown);
  }

  /** Opens a meter that goes on from what the run's earlier processes spent. */
  static async open(options: SpendMeterOptions): Promise<SpendMeter> {
    const opened = options.path === undefined ? undefined : await SpendLedger.open(options.path);
    return new SpendMeter(options, opened?.totals ?? noTotals, opened?.ledger);
  }

  /** Aborts when a limit is reached, with the error that says which, and when money is limited and a model has no price. */
  get reached(): AbortSignal {
    return this.#reached.signal;
  }

  /**
   * Does work of the algorithm that may ask a model. An algorithm may take a call that was refused for a model that is down, and go on
   * without it: such work counts as not done. @throws {LightningError} by which a call in it was refused; what the work throws
   */
  async requireCalls<Result>(work: () => Promise<Result> | Result): Promise<Result> {
    const before = this.#refused;
    const result = await work();
    if (this.#refused > before) this.#reached.signal.throwIfAborted();
    return result;
  }

  get spend(): Spend {
    return sumSpend(this.#usage, this.#prices, { rollouts: this.#rollouts, minutes: this.#minutes });
  }

  /** Describes what was spent in a few words; empty where no model was asked. */
  describe(): string {
    return describeSpend(this.spend);
  }

  /** Tells whether anything is limited. */
  get isLimited(): boolean {
    return Object.values(this.#limits).some((limit) => limit < Infinity);
  }

  /** Begins to count time, and looks whether a limit is reached already. */
  begin(): void {
    this.#countedAtMs = this.#clock.now();
    this.#check();
    void this.#watchTime();
  }

  /** Stops to count time. Resolves when all is written. @throws what writing the ledger threw */
  async close(): Promise<void> {
    this.#ended.abort();
    this.#countTime();
    await this.#ledger?.flush();
  }

  /** Resolves when all that was counted is written. @throws what writing the ledger threw */
  async flush(): Promise<void> {
    await this.#ledger?.flush();
  }

  /** Counts rollouts that are about to begin. @throws {TrainerError} `limit-reached` when they would pass the limit; then none begins */
  beginRollouts(count: number): void {
    this.#reached.signal.throwIfAborted();
    if (this.#rollouts + count > this.#limits.rollouts) {
      const of = `${this.#rollouts} of ${this.#limits.rollouts} rollouts have begun`;
      const next = `${count === 1 ? 'the next one is' : `the next ${count} belong together and are`} not`;
      this.#reach(limitReached(`${of}, and ${next}`, 'rollouts'));
      this.#reached.signal.throwIfAborted();
    }
    this.#addRollouts(count);
  }

  /** Takes back rollouts that were counted, and were cancelled before any runner began them. */
  returnRollouts(count: number): void {
    if (count > 0) this.#addRollouts(-count);
  }

  /** Looks whether a call may be made. @throws {TrainerError} `limit-reached` @throws {ConfigurationError} for a model without a price where money is limited */
  admit({ part, model }: AskedCall): void {
    if (model !== undefined) this.#requirePrice(model);
    if (!this.#reached.signal.aborted) return;
    if (part === 'optimizer') this.#refused += 1;
    throw this.#reached.signal.reason;
  }

  /** Counts a call that was answered outside rollouts. */
  count({ part, model = '(unnamed model)', ...tokens }: AnsweredCall): void {
    const added = new Map([usageOfCall(usageKey(part, model), tokens)]);
    this.#ledger?.addUsage(added);
    this.#add(added);
  }

  /** Counts the model calls among spans of an attempt that a runner or the gateway of this process writes. */
  countWritten(attemptId: string, spans: readonly SpanInput[]): void {
    if (this.#closed.has(attemptId)) return;
    const calls = this.#open.get(attemptId) ?? new AttemptCalls();
    if (!calls.add(spans)) return;
    this.#open.set(attemptId, calls);
    this.#settle(attemptId, calls);
  }

  /** Counts the model calls of attempts of final rollouts, all of whose calls are among these spans: other processes may have written them. */
  countRead(spans: readonly Span[]): void {
    for (const [attemptId, own] of Map.groupBy(spans, (span) => span.attemptId)) {
      if (this.#closed.has(attemptId)) continue;
      const calls = this.#open.get(attemptId) ?? new AttemptCalls();
      calls.add(own);
      this.#settle(attemptId, calls);
      this.#open.delete(attemptId);
      this.#counted.delete(attemptId);
      this.#recounted.delete(attemptId);
      this.#closed.add(attemptId);
    }
  }

  #settle(attemptId: string, calls: AttemptCalls): void {
    const before = this.#counted.get(attemptId);
    const after = calls.usage((names) => this.#chooseModel(names));
    // What an earlier process counted of an attempt may be more than is left of it to read. A count of this process may shrink: a call that a
    // framework reported as a hosted model's turns out to be the policy's, which costs nothing.
    const isOwn = this.#recounted.has(attemptId);
    if (before !== undefined && (isOwn ? isSame(after, before) : size(after) <= size(before))) return;
    this.#recounted.add(attemptId);
    this.#counted.set(attemptId, after);
    if (before !== undefined) addUsage(this.#usage, before, -1);
    this.#ledger?.setAttempt(attemptId, after);
    this.#add(after);
  }

  #add(added: UsageTable): void {
    addUsage(this.#usage, added);
    for (const [key, { withoutUsage }] of added) {
      const [part, model] = readUsageKey(key);
      if (withoutUsage > 0 && Math.min(this.#limits.tokens, this.#limits.usd) < Infinity)
        this.#warnOnce(
          `${model} (${part}) does not report all tokens of its calls: what is missing is in no figure of tokens or money`,
        );
      this.#requirePrice(model);
    }
    this.#check();
  }

  #chooseModel(names: readonly string[]): string {
    for (const name of names) {
      const hosted = this.#hosted.find((model) => isNameOf(name, model));
      if (hosted !== undefined) return hosted;
    }
    return names.find((name) => this.#prices.find(name) !== undefined) ?? names[0]!;
  }

  #requirePrice(model: string): void {
    if (this.#prices.find(model) !== undefined) return;
    if (this.#limits.usd < Infinity) this.#reach(missingPrice(model));
  }

  #addRollouts(count: number): void {
    this.#rollouts += count;
    this.#ledger?.addRollouts(count);
  }

  #check(): void {
    if (this.#countedAtMs === undefined || this.#reached.signal.aborted) return;
    const { tokens, usd, minutes } = this.#limits;
    const { spend } = this;
    if (spend.tokens >= tokens) this.#reach(limitReached(`${spend.tokens} of ${tokens} tokens are used`, 'tokens'));
    else if (spend.usd >= usd)
      this.#reach(limitReached(`${formatUsd(spend.usd)} of ${formatUsd(usd)} are spent`, 'usd'));
    else if (spend.minutes >= minutes)
      this.#reach(limitReached(`the run has worked for ${minutes} minutes`, 'minutes'));
  }

  #reach(error: LightningError): void {
    if (!this.#reached.signal.aborted) this.#reached.abort(error);
  }

  #warnOnce(message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#onWarning(message);
  }

  get #minutes(): number {
    const running = this.#countedAtMs === undefined ? 0 : this.#clock.now() - this.#countedAtMs;
    return (this.#ms + running) / 60_000;
  }

  #countTime(): void {
    if (this.#countedAtMs === undefined) return;
    const now = this.#clock.now();
    const ms = now - this.#countedAtMs;
    this.#ms += ms;
    this.#countedAtMs = now;
    this.#ledger?.addMilliseconds(ms);
  }

  async #watchTime(): Promise<void> {
    while (!this.#ended.signal.aborted && !this.#reached.signal.aborted) {
      const left = this.#limits.minutes * 60_000 - this.#minutes * 60_000;
      await this.#clock.wait(Math.max(1, Math.min(left, timeEveryMs)), this.#ended.signal, true);
      if (this.#ended.signal.aborted) return;
      this.#countTime();
      this.#check();
    }
  }
}

function isSame(one: UsageTable, other: UsageTable): boolean {
  return JSON.stringify([...one]) === JSON.stringify([...other]);
}

function size(usage: UsageTable): number {
  return [...usage.values()].reduce(
    (sum, { calls, inputTokens, outputTokens }) => sum + calls + inputTokens + outputTokens,
    0,
  );
}

function limitReached(what: string, name: keyof SpendingRules['limits']): TrainerError {
  return new TrainerError(`limit reached: ${what}; raise limits.${name} to go on`, { code: 'limit-reached' });
}

/** Returns the error of a model whose calls cannot be priced where money is limited. */
function missingPrice(model: string): LightningError {
  return check.optionInvalid(
    `Trainer: prices[${JSON.stringify(model)}]`,
    undefined,
    'a price such as { input: 0.4, output: 1.6 } in US dollars for a million tokens, since limits.usd is given and no price of this model is listed',
  );
}
