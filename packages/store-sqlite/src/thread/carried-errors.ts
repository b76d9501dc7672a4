import { inspect } from 'node:util';
import { ConfigurationError, LightningError, StoreError, TimeoutError } from '@agent-lightning/core';

type LightningErrorOptions = ConstructorParameters<typeof LightningError>[1];

/** Holds an error on its way to another thread: a plain clone would lose its class, its code and its marker. */
export type CarriedError =
  | (Pick<LightningErrorOptions, 'code' | 'retryable'> & {
      readonly type: string;
      readonly message: string;
      readonly stack: string | undefined;
      readonly cause: CarriedError | undefined;
    })
  | { readonly foreign: unknown };

/** Lists what a store throws. */
const classes: Readonly<Record<string, new (message: string, options: LightningErrorOptions) => LightningError>> = {
  StoreError,
  TimeoutError,
  ConfigurationError,
};

export function carryError(error: unknown): CarriedError {
  if (!LightningError.isInstance(error)) return { foreign: cloneable(error) };
  const { name, message, code, retryable, stack, cause } = error;
  return {
    type: name,
    message,
    code,
    retryable,
    stack,
    cause: cause === undefined || cause === null ? undefined : carryError(cause),
  };
}

/** Makes the error again, of its own class. */
export function reviveError(carried: CarriedError): unknown {
  if ('foreign' in carried) return carried.foreign;
  const { type, message, code, retryable = false, stack, cause } = carried;
  const error = new (classes[type] ?? LightningError)(message, {
    code,
    retryable,
    ...(cause === undefined ? {} : { cause: reviveError(cause) }),
  });
  // Where it was thrown says more than where it arrived.
  if (stack !== undefined) error.stack = stack;
  return error;
}

function cloneable(error: unknown): unknown {
  try {
    return structuredClone(error);
  } catch {
    return inspect(error); // holds a function, or the like
  }
}
