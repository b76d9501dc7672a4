import { check } from '@agent-lightning/core';

/** Says what goes to the tracer and the meter provider that the app has registered with `@opentelemetry/api`. */
export interface OpenTelemetryOptions {
  /**
   * Adds texts to spans: the task, messages, arguments and results of tools, messages of errors. Without it a span has names, counts, times and
   * codes only, since texts may be private. @default false
   */
  readonly content?: boolean;
}

/** The options with every default filled in; undefined where nothing goes to OpenTelemetry. */
export type ResolvedOpenTelemetryOptions = Required<OpenTelemetryOptions> | undefined;

/** Checks the option `openTelemetry` of whoever `owner` names. @throws {ConfigurationError} `option-invalid` */
export function resolveOpenTelemetryOptions(
  owner: string,
  given: boolean | OpenTelemetryOptions = true,
): ResolvedOpenTelemetryOptions {
  if (given === false) return undefined;
  if (given === true) return { content: false };
  check.knownOptions(`${owner}: openTelemetry`, given, ['content']);
  const { content = false } = given;
  if (typeof content !== 'boolean')
    throw check.optionInvalid(`${owner}: openTelemetry.content`, content, 'true or false');
  return { content };
}
