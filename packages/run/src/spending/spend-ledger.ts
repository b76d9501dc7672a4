import { existsSync } from 'node:fs';
import { appendFile, readFile, truncate } from 'node:fs/promises';
import { TrainerError } from '@agent-lightning/core';
import { withFileErrors } from '../files/file-errors.ts';
import { addUsage, type Usage, type UsageTable } from './usage.ts';

type UsageLine = readonly [
  key: string,
  calls: number,
  input: number,
  output: number,
  withoutUsage: number,
  cached?: number,
];

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
 * written with the next one; so is what could not be written, after the file was cut back to its last whole line.
 */
export class SpendLedger {
  readonly #path: string;
  readonly #attempts = new Map<string, UsageTable>();
  #usage = new Map<string, Usage>();
  #rollouts = 0;
  #ms = 0;
  #writing: Promise<void> | undefined;
  /** Lines that are not in the file yet. */
  #waiting = '';
  /** The length of the file in bytes, without what a write left that failed. */
  #bytes: number;
  /** The reason why the newest write failed; it may have left a part of its lines. */
  #failure: { readonly error: unknown } | undefined;

  private constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
  }

  /**
   * Opens a ledger, and returns what the lines in it come to. A last line that a crash cut off is removed.
   * @throws {TrainerError} `checkpoint-corrupt` for a line before the last one that is no line of a ledger
   */
  static async open(path: string): Promise<{ readonly ledger: SpendLedger; readonly totals: LedgerTotals }> {
    return await withFileErrors(path, async () => {
      const text = existsSync(path) ? await readFile(path, 'utf8') : '';
      const { lines, whole } = readLines(path, text);
      const bytes = Buffer.byteLength(whole);
      if (whole.length < text.length) await truncate(path, bytes);
      return { ledger: new SpendLedger(path, bytes), totals: sumLines(lines) };
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

  /** Resolves when everything is in the file; what could not be written before is tried again. @throws what writing it threw */
  async flush(): Promise<void> {
    if (this.#failure !== undefined) this.#write();
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
    for (;;) {
      this.#waiting += this.#take();
      if (this.#waiting === '') return;
      try {
        await withFileErrors(this.#path, () => this.#append(this.#waiting));
      } catch (error) {
        this.#failure = { error };
        return;
      }
      this.#failure = undefined;
      this.#waiting = '';
    }
  }

  async #append(text: string): Promise<void> {
    if (!existsSync(this.#path)) this.#bytes = 0;
    else if (this.#failure !== undefined) await truncate(this.#path, this.#bytes);
    await appendFile(this.#path, text);
    this.#bytes += Buffer.byteLength(text);
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
  return [...usage].map(([key, { calls, inputTokens, outputTokens, withoutUsage, cachedTokens }]): UsageLine => {
    const line = [key, calls, inputTokens, outputTokens, withoutUsage] as const;
    return cachedTokens === 0 ? line : [...line, cachedTokens];
  });
}

/** Reads the lines of a ledger. @returns them, and the text without a last line that is not whole */
function readLines(path: string, text: string): { readonly lines: readonly LedgerLine[]; readonly whole: string } {
  const texts = text.split('\n');
  const last = texts.findLastIndex((line) => line !== '');
  const lines: LedgerLine[] = [];
  for (const [index, line] of texts.slice(0, last + 1).entries()) {
    const read = index < texts.length - 1 ? readLine(line) : undefined;
    if (read !== undefined) lines.push(read);
    else if (index < last)
      throw new TrainerError(
        `line ${index + 1} of ${path} is damaged, and says what the run has spent: ${JSON.stringify(line.slice(0, 80))}; remove the line to resume without what it counts`,
        { code: 'checkpoint-corrupt' },
      );
  }
  return {
    lines,
    whole: texts
      .slice(0, lines.length)
      .map((line) => `${line}\n`)
      .join(''),
  };
}

function readLine(line: string): LedgerLine | undefined {
  try {
    const read: unknown = JSON.parse(line);
    return typeof read === 'object' && read !== null ? (read as LedgerLine) : undefined;
  } catch {
    return undefined; // The caller says which line it is.
  }
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

function fromLine(line: UsageLine): readonly [string, Usage] {
  const [key, calls, inputTokens, outputTokens, withoutUsage, cachedTokens = 0] = line;
  return [key, { calls, inputTokens, outputTokens, cachedTokens, withoutUsage }];
}
