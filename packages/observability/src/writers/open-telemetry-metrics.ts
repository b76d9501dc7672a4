import type { Gauge } from '@opentelemetry/api';
import { hasMeterProvider, loadOpenTelemetry, scopeName, scopeVersion } from '../opentelemetry/load-api.ts';
import type { MetricPoint, MetricRun, MetricWriter } from './metric-writer.ts';

/**
 * Writes the metrics of steps as gauges of the app's own meter provider, such as `agentlightning.step.reward.mean`; nothing where none is
 * registered. A `Trainer` has it by itself, see its option `openTelemetry`.
 */
export function openTelemetryMetrics(): MetricWriter {
  const gauges = new Map<string, Gauge>();
  let runId = '';
  return {
    name: 'OpenTelemetry',
    async begin(run: MetricRun) {
      runId = run.runId;
      gauges.clear();
      return undefined; // a gauge has no past
    },
    async write(points: readonly MetricPoint[]) {
      const api = await loadOpenTelemetry();
      if (api === undefined || !hasMeterProvider(api)) return;
      const meter = api.metrics.getMeter(scopeName, scopeVersion);
      for (const { step, values } of points) {
        for (const [name, value] of Object.entries({ ...values, step })) {
          const full = `agentlightning.step.${name.replaceAll('/', '.').replaceAll(/[^A-Za-z0-9_.-]/g, '_')}`;
          const gauge = gauges.get(full) ?? meter.createGauge(full.slice(0, 255));
          gauges.set(full, gauge);
          gauge.record(value, { 'agentlightning.run.id': runId });
        }
      }
    },
    async end() {
      // The app's own provider exports what it has.
    },
  };
}
