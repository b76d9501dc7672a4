import {
  addTraceProcessor,
  type Agent,
  BatchTraceProcessor,
  setTraceProcessors,
  setTracingDisabled,
  type Span,
  type SpanData,
  type Trace,
} from '@openai/agents';

/** A trace processor and the lifecycle hooks of an agent, as an app has them. */
export interface Watchers {
  heard(): Promise<readonly string[]>;
  stop(): void;
}

export function createWatchers(agent: Agent): Watchers {
  const lines: string[] = [];
  const processor = createProcessor(lines);
  setTracingDisabled(false); // off under NODE_ENV=test
  setTraceProcessors([]); // not the default one, which exports to OpenAI
  addTraceProcessor(processor);
  agent.on('agent_start', () => void lines.push('hook agent_start'));
  agent.on('agent_end', (_context, output) => void lines.push(`hook agent_end ${output}`));
  agent.on('agent_tool_start', (_context, { name }) => void lines.push(`hook agent_tool_start ${name}`));
  agent.on('agent_tool_end', (_context, { name }, result) => void lines.push(`hook agent_tool_end ${name} ${result}`));
  return {
    async heard() {
      await processor.forceFlush();
      return lines.splice(0);
    },
    stop() {
      setTraceProcessors([]);
      setTracingDisabled(true);
    },
  };
}

function createProcessor(lines: string[]): BatchTraceProcessor {
  const lineOf = (item: Trace | Span<SpanData>): string =>
    `processor ${item.type === 'trace' ? 'trace' : (item as Span<SpanData>).spanData.type}`;
  return new BatchTraceProcessor({ export: (batch) => Promise.resolve(void lines.push(...batch.map(lineOf))) });
}
