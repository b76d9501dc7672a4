import { existsSync } from 'node:fs';
import { appendFile, readFile, truncate } from 'node:fs/promises';
import { withFileErrors } from '../files/file-errors.ts';
import { addUsage, type Usage, type UsageTable } from './usage.ts';

type UsageLine = readonly [key: string, calls: number, input: number, output: number, withoutUsage: number];

/** One line of the ledger. Figures are added; those of an attempt replace what a line before said of it. */
interface LedgerLine {
  readonly attempt?: string;
  readonly usage?: readonly UsageLine[];
  readonly rollouts?: number;
  readonly ms?: number;
}

/** The figures that the lines of a ledger come to. */
export interface LedgerTotals {
  readonly usage: UsageTable;
  /** What was counted of each attempt, which is in `usage` too. */
  readonly attempts: ReadonlyMap<string, UsageTable>;
  readonly rollouts: number;
  readonly ms: number;
}

/**
 * Keeps what a run spends in a file of lines, so that a process that is killed leaves it behind. What comes while a line is written is
 * written with the next one.
 */
export class SpendLedger {
  readonly #path: string;
  readonly #attempts = new Map<string, UsageTable>();
  #usage = new Map<string, Usage>();
  #rollouts = 0;
  #ms = 0;
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Opens a ledger, and returns what the lines in it come to. A last line that a crash cut off is removed. */
  static async open(path: string): Promise<{ readonly ledger: SpendLedger; readonly totals: LedgerTotals }> {
    return await withFileErrors(path, async () => {
      const text = existsSync(path) ? await readFile(path, 'utf8') : '';
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      if (whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
      const lines = whole.split('\n').slice(0, -1);
      return { ledger: new SpendLedger(path), totals: sumLines(lines.map((line) => JSON.parse(line) as LedgerLine)) };
    });
  }

  /** Sets what was counted of an attempt so far. */
  setAttempt(attemptId: string, usage: UsageTable): void {
    this.#attempts.set(attemptId, usage);
    this.#write();
  }

  addUsage(usage: UsageTable): void {
    addUsage(this.#usage, usage);
    this.#write();
  }

  /** Adds rollouts, or takes away those that never began. */
  addRollouts(count: number): void {
    this.#rollouts += count;
    this.#write();
  }

  addMilliseconds(ms: number): void {
    this.#ms += ms;
    this.#write();
  }

  /** Resolves when everything is in the file. @throws what writing it threw */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #write(): void {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    await Promise.resolve(); // what is counted in one turn goes into one write
    for (let text = this.#take(); text !== ''; text = this.#take()) {
      try {
        await withFileErrors(this.#path, () => appendFile(this.#path, text));
      } catch (error) {
        this.#failure ??= { error };
        return;
      }
    }
  }

  #take(): string {
    const lines: LedgerLine[] = [...this.#attempts].map(([attempt, usage]) => ({ attempt, usage: toLines(usage) }));
    const common: LedgerLine = {
      ...(this.#usage.size > 0 && { usage: toLines(this.#usage) }),
      ...(this.#rollouts !== 0 && { rollouts: this.#rollouts }),
      ...(this.#ms > 0 && { ms: Math.round(this.#ms) }),
    };
    if (Object.keys(common).length > 0) lines.push(common);
    this.#attempts.clear();
    this.#usage = new Map();
    this.#rollouts = 0;
    this.#ms = 0;
    return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  }
}

function toLines(usage: UsageTable): readonly UsageLine[] {
  return [...usage].map(([key, { calls, inputTokens, outputTokens, withoutUsage }]) => [
    key,
    calls,
    inputTokens,
    outputTokens,
    withoutUsage,
  ]);
}

function sumLines(lines: readonly LedgerLine[]): LedgerTotals {
  const usage = new Map<string, Usage>();
  const attempts = new Map<string, UsageTable>();
  let [rollouts, ms] = [0, 0];
  for (const line of lines) {
    const table = new Map((line.usage ?? []).map(fromLine));
    if (line.attempt === undefined) addUsage(usage, table);
    else attempts.set(line.attempt, table);
    rollouts += line.rollouts ?? 0;
    ms += line.ms ?? 0;
  }
  for (const table of attempts.values()) addUsage(usage, table);
  return { usage, attempts, rollouts, ms };
}

function fromLine([key, calls, inputTokens, outputTokens, withoutUsage]: UsageLine): readonly [string, Usage] {
  return [key, { calls, inputTokens, outputTokens, withoutUsage }];
}
