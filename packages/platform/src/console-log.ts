import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { format } from 'node:util';

/** The most characters and lines that are kept of what one piece of work writes: the newest ones. */
const keptCharacters = 16_384;
const keptLines = 200;

/** The methods of `console` whose calls Node tells of. What others write, such as `console.table`, goes through these. */
const levels = ['log', 'info', 'debug', 'warn', 'error'] as const;

type Level = (typeof levels)[number];

/** Keeps the newest of what some work writes by `console`, in constant memory. */
export class ConsoleLog {
  #lines: string[] = [];
  #characters = 0;
  #omitted = 0;

  /** Adds one call's text; a level that is not plain output is named in front of it. */
  write(level: Level, text: string): void {
    const line = (level === 'log' || level === 'info' ? text : `${level}: ${text}`).slice(0, keptCharacters);
    this.#lines.push(line);
    this.#characters += line.length;
    while (this.#lines.length > keptLines || this.#characters > keptCharacters) {
      this.#characters -= this.#lines.shift()!.length;
      this.#omitted += 1;
    }
  }

  /** Returns what was written, a call a line, with a mark where earlier lines are missing; undefined when nothing was. */
  text(): string | undefined {
    if (this.#lines.length === 0) return undefined;
    const lines = this.#lines.join('\n').replaceAll('\0', '\uFFFD').toWellFormed();
    return this.#omitted === 0 ? lines : `… [${this.#omitted} earlier lines]\n${lines}`;
  }
}

const current = new AsyncLocalStorage<ConsoleLog>();
let isWatching = false;

/** Runs `work`, and keeps in `log` what it and everything that it awaits writes by `console`. It is written as before, too. */
export function keepConsole<Result>(log: ConsoleLog, work: () => Result): Result {
  watchConsole();
  return current.run(log, work);
}

/** Listens to the calls of `console` in this process, once; nothing is patched. */
function watchConsole(): void {
  if (isWatching) return;
  isWatching = true;
  for (const level of levels) subscribe(`console.${level}`, (values) => keep(level, values));
}

function keep(level: Level, values: unknown): void {
  const log = current.getStore();
  if (log === undefined || !Array.isArray(values)) return;
  try {
    log.write(level, format(...(values as readonly unknown[])));
  } catch {
    log.write(level, '[a value that cannot be shown]'); // such as a `toString` that throws: what the console does with it is its own matter
  }
}
