import { attributeNames, type Attributes } from '@agent-lightning/core';
import { activeSpan, runInSpan } from '../scope/active-span.ts';
import { capText, describeValue } from '../writing/attribute-values.ts';
import { errorOutcome } from '../writing/exception-attributes.ts';
import { currentRollout, type RolloutScope } from '../scope/rollout-scope.ts';
import type { SpanOutcome } from '../writing/trace-recorder.ts';
import { writeTrace } from '../scope/untraceable.ts';

/**
 * Wraps a function so that each call inside a rollout is a span with its input, output and error; what it does meanwhile
 * becomes the span's children. Input and output are kept as JSON, up to 16,384 characters each.
 *
 * The rollout is looked up when the wrapped function is called, so it may be wrapped anywhere, such as at module load. Outside a
 * rollout the wrapped function is the function.
 */
export function operation<This, Arguments extends readonly unknown[], Result>(
  name: string,
  work: (this: This, ...args: Arguments) => Result,
): (this: This, ...args: Arguments) => Result {
  return function traced(this: This, ...args: Arguments): Result {
    const scope = currentRollout();
    if (scope === undefined) return work.apply(this, args as never);
    return trace(scope, name, args, () => work.apply(this, args as never));
  };
}

/** Runs `work` now as an operation; like `operation(name, work)()`. */
export function runOperation<Result>(name: string, work: () => Result): Result {
  return operation(name, work)();
}

/** Runs `work` now as an operation whose span has further attributes. */
export function runMarked<Result>(name: string, marks: Attributes, work: () => Result): Result {
  const scope = currentRollout();
  return scope === undefined ? work() : trace(scope, name, [], work, marks);
}

function trace<Result>(
  scope: RolloutScope,
  name: string,
  args: readonly unknown[],
  work: () => Result,
  marks: Attributes = {},
): Result {
  const parent = activeSpan(scope);
  const span = writeTrace(scope, () =>
    scope.recorder.start({
      kind: 'operation',
      name,
      ...(parent !== undefined && { parentSpanId: parent.spanId }),
      attributes: {
        [attributeNames.operationLabel]: name,
        ...marks,
        ...(args.length > 0 && { [attributeNames.operationInput]: describeArguments(args) }),
      },
    }),
  );
  if (span === undefined) return work();
  const end: EndSpan = (outcome) => void writeTrace(scope, () => span.end(outcome));
  const active = {
    attemptId: scope.attempt.attemptId,
    spanId: span.spanId,
    ...(parent?.agent !== undefined && { agent: parent.agent }),
  };
  return settle(end, () => runInSpan(active, work));
}

type EndSpan = (outcome: SpanOutcome) => void;

/** Describes arguments one by one, so that an argument that JSON cannot hold, such as a config with handlers, does not hide the others. */
function describeArguments(args: readonly unknown[]): string {
  return args.length === 1 ? describeValue(args[0]) : capText(`[${args.map(describeValue).join(',')}]`);
}

function settle<Result>(end: EndSpan, work: () => Result): Result {
  try {
    const result = work();
    if (isThenable(result))
      return result.then(
        (value) => succeed(end, value),
        (error) => fail(end, error),
      ) as Result;
    return succeed(end, result);
  } catch (error) {
    return fail(end, error);
  }
}

function succeed<Result>(end: EndSpan, result: Result): Result {
  end(result === undefined ? {} : { attributes: { [attributeNames.operationOutput]: describeValue(result) } });
  return result;
}

function fail(end: EndSpan, error: unknown): never {
  end(errorOutcome(error));
  throw error;
}

/** Tells whether a value is to be waited for. What throws when it is asked is a value like others. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return typeof (value as { then?: unknown }).then === 'function';
  } catch {
    return false;
  }
}
