import { Mastra } from '@mastra/core/mastra';
import type { Agent } from '@mastra/core/agent';
import { TracingEventType } from '@mastra/core/observability';
import type { Processor } from '@mastra/core/processors';
import { Observability, TestExporter } from '@mastra/observability';
import { wrapLanguageModel } from 'ai';

/** A middleware of the model, processors of the agent, callbacks of a call and an exporter of Mastra's observability, as an app has them. */
export interface Watchers {
  /** Puts the app's middleware around a model. */
  readonly wrapModel: (model: never) => never;
  /** The options of the agent. */
  readonly options: object;
  /** Registers the agent at an instance with observability. */
  register(agent: Agent): void;
  heard(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export function createWatchers(): Watchers {
  const lines: string[] = [];
  const exporter = new TestExporter({ logLevel: 'error' as never });
  const observability = new Observability({ configs: { own: { serviceName: 'own', exporters: [exporter] } } });
  const hear =
    (line: string) =>
    (): void =>
      void lines.push(line);
  return {
    wrapModel: (model) => wrapModel(model, lines),
    options: {
      inputProcessors: [inputProcessor(lines)],
      outputProcessors: [outputProcessor(lines)],
      defaultOptions: { onStepFinish: hear('callback step'), onFinish: hear('callback finish') },
    },
    register: (agent) => void new Mastra({ agents: { [agent.id]: agent }, observability, logger: false }),
    async heard() {
      await observability.flush();
      const ended = exporter.events.filter(({ type }) => type === TracingEventType.SPAN_ENDED);
      for (const { exportedSpan: span } of ended) lines.push(`exporter ${span.type} ${span.entityName ?? ''}`);
      exporter.clearEvents();
      return lines.splice(0);
    },
    stop: () => observability.shutdown(),
  };
}

function wrapModel(model: never, lines: string[]): never {
  const wrapped = wrapLanguageModel({
    model,
    middleware: {
      specificationVersion: 'v4',
      transformParams: ({ params }) => {
        lines.push('middleware transformParams');
        return Promise.resolve({ ...params, temperature: 0.25 });
      },
      wrapStream: ({ doStream }) => (lines.push('middleware wrapStream'), doStream()),
      wrapGenerate: ({ doGenerate }) => (lines.push('middleware wrapGenerate'), doGenerate()),
    },
  });
  return wrapped as never;
}

const inputProcessor = (lines: string[]): Processor<'own-input'> => ({
  id: 'own-input',
  processInput: ({ messages }) => (lines.push('processor input'), messages),
});

const outputProcessor = (lines: string[]): Processor<'own-output'> => ({
  id: 'own-output',
  processOutputResult: ({ messages }) => (lines.push('processor output'), messages),
});
