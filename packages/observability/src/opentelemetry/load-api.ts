import type * as api from '@opentelemetry/api';

/** The package by which an app and its libraries reach the provider that the app registered. */
export type OpenTelemetryApi = typeof api;

let loaded: Promise<OpenTelemetryApi | undefined> | undefined;

/**
 * Loads `@opentelemetry/api`, once, when a rollout or a run begins; undefined where the app does not have it. It is the app's own copy, by which
 * the app registered its provider.
 */
export function loadOpenTelemetry(): Promise<OpenTelemetryApi | undefined> {
  loaded ??= import('@opentelemetry/api').catch((error: unknown) => {
    if ((error as { readonly code?: unknown }).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  });
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
