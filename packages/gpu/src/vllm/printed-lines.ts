/** Keeps what a `vllm serve` printed that explains its end: the last lines, and apart from them the last error of each of its processes. */

const keptLines = 20;
const keptErrorLines = 20;

/** Matches the start of a line of vLLM's log, `(EngineCore pid=12) ERROR 11-28 20:55:21 [core.py:906] `: the process, and the level. */
const prefix = /^(?:\((\w+)(?: pid=\d+)?\) )?(?:([A-Z]+) \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] ?)?/;
/** Matches what says nothing of why a server ended: its access log, its routes, its statistics, and what libraries complain about at a process's end. */
const noise =
  /^INFO: +\S+ - "|nanobind|^(?:\(.*?\) )? ?- (?:leaked|\.\.\. skipped)|resource_tracker|^ *warnings\.warn\(|\[launcher\.py:\d+\] Route: |\[loggers\.py:\d+\] Engine \d+: /;
/** Matches the first line of a traceback, or a plain line such as `torch.OutOfMemoryError: …`. */
const failure = /^(?:Traceback \(most recent call last\):|[\w.]*(?:Error|Exception|Interrupt)(?::|$))/;
/** Matches a line within a traceback, or its last one. */
const within = /^(?:\s|[\w.]+(?::|$))/;

interface PrintedError {
  lines: string[];
  /** True while the next line of the same process may belong to it. */
  isOpen: boolean;
}

/** The lines of one server, whose processes print into each other's lines. */
export class PrintedLines {
  #last: string[] = [];
  /** The last error of each process, in the order in which they began: the first is often the cause of the others. */
  readonly #errors = new Map<string, PrintedError>();
  /** The beginning of a line that has not ended yet, by stream. */
  readonly #rest = new Map<string, string>();

  /** Returns the last line that matters, for progress. */
  get lastLine(): string | undefined {
    return this.#last.at(-1);
  }

  /** Takes a piece of what a stream printed, which may end within a line. */
  add(stream: string, text: string): void {
    const lines = `${this.#rest.get(stream) ?? ''}${text}`.split(/\r?\n/);
    this.#rest.set(stream, (lines.pop() ?? '').slice(-2_000));
    for (const line of lines) if (line.trim() !== '' && !noise.test(line)) this.#addLine(line);
  }

  /** Forgets everything, for a server that starts again. */
  clear(): void {
    this.#last = [];
    this.#errors.clear();
    this.#rest.clear();
  }

  /** Returns the sentences of an error message: the errors first, where there were any. */
  describe(): string {
    const errors = [...this.#errors.values()].flatMap(({ lines }) => lines);
    if (this.#last.length === 0) return 'It printed nothing.';
    const printed = `It printed last:\n${this.#last.join('\n')}`;
    return errors.length === 0 ? printed : `Its last errors:\n${errors.join('\n')}\n${printed}`;
  }

  #addLine(line: string): void {
    this.#last = [...this.#last, line].slice(-keptLines);
    const [before, name = '', level] = prefix.exec(line)!;
    const said = line.slice(before.length);
    const error = this.#errors.get(name);
    const isError = level === 'ERROR' || level === 'CRITICAL';
    if (error?.isOpen === true && (isError || (level === undefined && within.test(said)))) {
      error.lines = [...error.lines, line];
      if (error.lines.length > keptErrorLines) error.lines.splice(1, 1); // its first line says what failed, its last ones why
    } else if (isError || (level === undefined && failure.test(said))) {
      this.#errors.delete(name);
      this.#errors.set(name, { lines: [line], isOpen: true });
    } else if (error !== undefined) error.isOpen = false;
  }
}
