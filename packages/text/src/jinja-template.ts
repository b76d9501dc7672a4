/** Runs Jinja as transformers does for chats, with its globals and its treatment of blanks, and one error code for each cause. */
import { BackendError } from '@agent-lightning/core';
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';

/** The error that a template raises itself, by `raise_exception`. */
class TemplateRaised extends TypeError {}
/** A use of Jinja that this renderer does not have. */
class UnsupportedJinja extends TypeError {}

/** Matches the interpreter's errors about a filter, a test, an operator or a statement that it does not have. */
const lacking = /\bUnknown\b|not currently supported|^Cannot apply filter/;

/** A parsed template. */
export class JinjaTemplate {
  readonly #program: ReturnType<typeof parse>;
  readonly #name: string;
  readonly #now: () => Date;

  /**
   * Parses a template.
   *
   * @param name names the template in errors
   * @param now the time that `strftime_now` shows, in local time
   * @throws {BackendError} `checkpoint-corrupt` when it does not parse, `checkpoint-unsupported` for an unknown statement
   */
  constructor(source: string, name: string, now: () => Date) {
    this.#name = name;
    this.#now = now;
    try {
      this.#program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
    } catch (cause) {
      if (lacking.test(messageOf(cause))) throw this.#unsupported(cause);
      throw new BackendError(
        `${name} does not parse: ${messageOf(cause)}. It is broken, or uses Jinja that is not supported here.`,
        { code: 'checkpoint-corrupt', cause },
      );
    }
  }

  /**
   * Returns the text that the template makes of the variables.
   *
   * @throws {BackendError} `samples-invalid` for variables that the template refuses or cannot be filled with;
   *   `checkpoint-unsupported` where it needs what this renderer lacks
   */
  render(variables: Readonly<Record<string, unknown>>): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries({ ...this.#globals(), ...variables })) environment.set(name, value);
    try {
      return String(new Interpreter(environment).run(this.#program).value);
    } catch (cause) {
      const message = messageOf(cause);
      if (cause instanceof UnsupportedJinja || (!(cause instanceof TemplateRaised) && lacking.test(message)))
        throw this.#unsupported(cause);
      const verb = cause instanceof TemplateRaised ? 'refused' : 'cannot be filled with';
      throw new BackendError(`${this.#name} ${verb} the messages: ${message}`, { code: 'samples-invalid', cause });
    }
  }

  #unsupported(cause: unknown): BackendError {
    return new BackendError(
      `${this.#name} needs Jinja that is not supported here: ${messageOf(cause)}. Rewrite that part of the template, or serve the model by vLLM, which renders its own chats.`,
      { code: 'checkpoint-unsupported', cause },
    );
  }

  #globals(): Record<string, unknown> {
    return {
      true: true,
      True: true,
      false: false,
      False: false,
      none: null,
      None: null,
      range,
      raise_exception: (message: unknown) => {
        throw new TemplateRaised(String(message));
      },
      strftime_now: (format: string) => formatDate(this.#now(), format),
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, index) => from + index * step);
}

/** Formats a date as Python does in its default locale, for the codes that templates use. */
function formatDate(date: Date, format: string): string {
  const named = (options: Intl.DateTimeFormatOptions): string => new Intl.DateTimeFormat('en-US', options).format(date);
  const padded = (value: number): string => String(value).padStart(2, '0');
  return format.replaceAll(/%(.)/g, (code: string, letter: string) => {
    switch (letter) {
      case 'Y':
        return String(date.getFullYear());
      case 'm':
        return padded(date.getMonth() + 1);
      case 'd':
        return padded(date.getDate());
      case 'b':
        return named({ month: 'short' });
      case 'B':
        return named({ month: 'long' });
      case 'a':
        return named({ weekday: 'short' });
      case 'A':
        return named({ weekday: 'long' });
      case 'H':
        return padded(date.getHours());
      case 'M':
        return padded(date.getMinutes());
      case 'S':
        return padded(date.getSeconds());
      case '%':
        return '%';
      default:
        throw new UnsupportedJinja(`strftime_now with ${code}`);
    }
  });
}
