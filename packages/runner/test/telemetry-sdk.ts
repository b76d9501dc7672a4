import { context, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider,
  type ReadableSpan,
  type Sampler,
  type SpanExporter,
} from '@opentelemetry/sdk-trace';

/** The official SDK, registered as an app does it; what it exports stays in memory. */
export interface TestSdk {
  readonly spans: InMemorySpanExporter;
  /** Returns the sums and counts by metric, then by attribute values. */
  readMetrics(): Promise<Readonly<Record<string, Readonly<Record<string, number>>>>>;
  close(): Promise<void>;
}

/** Registers the SDK for this process, until `close`. */
export function registerSdk(options: { readonly sampler?: Sampler; readonly exporter?: SpanExporter } = {}): TestSdk {
  const spans = new InMemorySpanExporter();
  const { sampler, exporter = spans } = options;
  const provider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
    ...(sampler && { sampler }),
  });
  const memory = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: memory })] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
  metrics.setGlobalMeterProvider(meters);
  return {
    spans,
    async readMetrics() {
      await meters.forceFlush();
      const read =
        memory
          .getMetrics()
          .at(-1)
          ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
      return Object.fromEntries(
        read.map(({ descriptor, dataPoints }) => [
          descriptor.name,
          Object.fromEntries(
            dataPoints.map(({ attributes, value }) => [
              Object.values(attributes).join(' '),
              typeof value === 'number' ? value : value.count,
            ]),
          ),
        ]),
      );
    },
    async close() {
      trace.disable();
      metrics.disable();
      context.disable();
      await provider.shutdown();
      await meters.shutdown();
    },
  };
}

/** Returns the spans as lines, indented below their parents, in order of their start. */
export function outlineSpans(spans: readonly ReadableSpan[]): readonly string[] {
  const ids = new Set(spans.map((span) => span.spanContext().spanId));
  const draw = (parent: string | undefined, indent: string): readonly string[] =>
    spans
      .filter((span) => {
        const id = span.parentSpanContext?.spanId;
        return parent === undefined ? id === undefined || !ids.has(id) : id === parent;
      })
      .toSorted((a, b) => a.startTime[0] - b.startTime[0] || a.startTime[1] - b.startTime[1])
      .flatMap((span) => [`${indent}${span.name}`, ...draw(span.spanContext().spanId, `${indent}  `)]);
  return draw(undefined, '');
}
