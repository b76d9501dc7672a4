import type * as api from '@opentelemetry/api';

/** The package by which an app and its libraries reach the provider that the app registered. */
export type OpenTelemetryApi = typeof api;

/** The codes of a module that is not there, by `import` and by `require`, to which some bundlers change it. */
const missingCodes: ReadonlySet<unknown> = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']);

let loaded: Promise<OpenTelemetryApi | undefined> | undefined;

/**
 * Loads `@opentelemetry/api`, once, when a rollout or a run begins; undefined where the app does not have it. It is the app's own copy, by which
 * the app registered its provider.
 */
export function loadOpenTelemetry(): Promise<OpenTelemetryApi | undefined> {
  // Bundlers are told to leave it: an app without the package could not be built otherwise.
  loaded ??= import(/* webpackIgnore: true */ /* turbopackIgnore: true */ '@opentelemetry/api').catch(
    (error: { readonly code?: unknown }) => {
      if (missingCodes.has(error.code)) return undefined;
      throw error;
    },
  );
  return loaded;
}

/** The name under which spans and metrics are made, as `getTracer` and `getMeter` take it. */
export const scopeName = '@agent-lightning/observability';

/** The version of the scope: that of this package. */
export const scopeVersion = '0.1.0';

/** Tells whether the app has registered a provider of meters; without one, nothing is measured. */
export function hasMeterProvider({ metrics, createNoopMeter }: OpenTelemetryApi): boolean {
  return metrics.getMeter(scopeName, scopeVersion) !== createNoopMeter();
}
