import { activeSpan, errorOutcome, type OpenSpan, type RolloutScope } from '@agent-lightning/tracing';
import { attributeNames, ConfigurationError, type Attributes } from '@agent-lightning/core';
import type { ChildOutput } from './child-run.ts';
import type { Launcher } from './launcher.ts';

/** Lets the policy answer to the names that the command's agents have in their code. @throws {ConfigurationError} `option-unsupported` */
export async function answerTo(
  launcher: Launcher['name'],
  answersTo: readonly (string | RegExp)[] | undefined,
  scope: RolloutScope,
): Promise<void> {
  if (answersTo === undefined || scope.llm === undefined) return;
  if (scope.answerTo === undefined)
    throw new ConfigurationError(
      `${launcher}: answersTo needs a gateway that answers an attempt by further names, and the given one has no answerTo(); give answersTo to the gateway itself`,
      { code: 'option-unsupported' },
    );
  await scope.answerTo(answersTo);
}

/** Starts the span of a process. `command` and `args` hold no key. */
export function startSpan(scope: RolloutScope, spanId: string, command: string, args: string): OpenSpan {
  const parentSpanId = activeSpan(scope)?.spanId;
  return scope.recorder.start({
    kind: 'operation',
    name: command,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    attributes: {
      [attributeNames.operationLabel]: command,
      [attributeNames.operationInput]: args,
    },
  });
}

/** A process that runs, here or elsewhere. */
export interface Supervised {
  /** Holds what it has left until now. */
  readonly output: ChildOutput;
  /** Resolves when it has ended. */
  ended(): Promise<ChildOutput>;
  /** Ends it; `ended` rejects with `reason` then. */
  stop(reason: unknown): void;
}

/** Runs a process under the attempt's signal, and writes its span, however it ends. */
export async function supervise(span: OpenSpan, signal: AbortSignal, start: () => Supervised): Promise<ChildOutput> {
  let child: Supervised | undefined;
  let isSpanOpen = true;
  const endSpan = (error?: unknown): void => {
    if (!isSpanOpen) return;
    isSpanOpen = false;
    const output = child === undefined ? {} : outputAttributes(child.output);
    if (error === undefined) return span.end({ attributes: output });
    const { status, attributes } = errorOutcome(error);
    span.end({ status, attributes: { ...attributes, ...output } });
  };
  // At once, for the attempt closes its trace as soon as its signal has aborted.
  const onAbort = (): void => {
    endSpan(signal.reason);
    child?.stop(signal.reason);
  };
  try {
    signal.throwIfAborted();
    child = start();
    signal.addEventListener('abort', onAbort, { once: true });
    const output = await child.ended();
    endSpan();
    return output;
  } catch (error) {
    endSpan(error);
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function outputAttributes({ stdout, stderr, exitCode, signal }: ChildOutput): Attributes {
  return {
    [attributeNames.commandStdout]: stdout,
    [attributeNames.commandStderr]: stderr,
    ...(exitCode !== null && { [attributeNames.commandExitCode]: exitCode }),
    ...(signal !== null && { [attributeNames.commandSignal]: signal }),
  };
}
