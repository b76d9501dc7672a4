/** Makes the errors of a template that is being filled; {@link JinjaTemplate} adds the template's name. */
import { BackendError } from '@agent-lightning/core';

/** Returns the error for values that the template cannot be filled with, in Python's words where Python has some. */
export function templateError(problem: string): BackendError {
  return new BackendError(problem, { code: 'samples-invalid' });
}

/** Returns the error for a filter, test, function or format that this renderer does not have. */
export function lackingError(what: string): BackendError {
  return new BackendError(what, { code: 'checkpoint-unsupported' });
}
