/** Fills a Jinja template as transformers does for chats, with one error code for each cause. */
import { BackendError } from '@agent-lightning/core';

import { createGlobals } from './jinja/globals.ts';
import { isEndless, renderWithin, sizeOf } from './jinja/render-budget.ts';
import { printStatements } from './jinja/run-template.ts';
import { Scope } from './jinja/scope.ts';
import { parseTemplate, type Statement } from './jinja/syntax.ts';
import { templateError } from './jinja/template-error.ts';
import type { Value } from './jinja/values.ts';

/** Matches the parser's errors about a statement that it does not have. */
const lacking = /\bUnknown\b/;

/** A parsed template. */
export class JinjaTemplate {
  /** The statements, for those who look for what a template does. */
  readonly statements: readonly Statement[];
  /** The error of the first rendering that would not have ended; undefined when there was none. */
  endless: BackendError | undefined;
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
      this.statements = parseTemplate(source);
    } catch (cause) {
      if (isUnsupported(cause) || lacking.test(messageOf(cause))) throw this.#unsupported(cause);
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
  render(variables: ReadonlyMap<string, Value>): string {
    let refusal: unknown;
    const raise = (message: string): never => {
      refusal = templateError(message);
      throw refusal;
    };
    const scope = new Scope();
    for (const [name, value] of [...createGlobals(raise, this.#now), ...variables]) scope.set(name, value);
    try {
      let size = 0;
      for (const value of variables.values()) size += sizeOf(value);
      return renderWithin(size, () => printStatements(this.statements, new Scope(scope)));
    } catch (cause) {
      if (isUnsupported(cause)) throw this.#unsupported(cause);
      const verb = cause === refusal ? 'refused' : 'cannot be filled with';
      const problem = cause instanceof RangeError ? `they are nested too deep (${cause.message})` : messageOf(cause);
      const error = new BackendError(`${this.#name} ${verb} the messages: ${problem}`, {
        code: 'samples-invalid',
        cause,
      });
      if (isEndless(cause)) this.endless ??= error;
      throw error;
    }
  }

  #unsupported(cause: unknown): BackendError {
    return new BackendError(
      `${this.#name} needs Jinja that is not supported here: ${messageOf(cause)}. Rewrite that part of the template, or serve the model by vLLM, which renders its own chats.`,
      { code: 'checkpoint-unsupported', cause },
    );
  }
}

function isUnsupported(error: unknown): boolean {
  return error instanceof BackendError && error.code === 'checkpoint-unsupported';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
