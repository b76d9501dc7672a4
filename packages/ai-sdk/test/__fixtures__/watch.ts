import { tracingChannel } from 'node:diagnostics_channel';
import { registerTelemetry, wrapLanguageModel, type LanguageModel, type Telemetry } from 'ai';

type Model = Exclude<LanguageModel, string>;

/** A middleware of the model, telemetry and callbacks of the agent, and a subscriber of the AI SDK's tracing channel, as an app has them. */
export interface Watchers {
  /** Puts the app's middleware around a model. */
  readonly wrapModel: (model: Model) => Model;
  /** The options of the agent. */
  readonly options: object;
  heard(): Promise<readonly string[]>;
  stop(): void;
}

const globals = globalThis as { AI_SDK_TELEMETRY_INTEGRATIONS?: readonly Telemetry[] };

/** Makes the watchers; telemetry is registered for the whole process, or given to the agent. */
export function createWatchers(): Watchers {
  const lines: string[] = [];
  const channel = tracingChannel<unknown, { readonly type: string }>('ai:telemetry');
  const hear = (event: string) => (message: { readonly type: string }) => void lines.push(`channel ${message.type} ${event}`);
  const nothing = (): void => undefined;
  const subscriber = { start: hear('start'), end: nothing, asyncStart: nothing, asyncEnd: hear('end'), error: hear('error') };
  channel.subscribe(subscriber);
  const before = globals.AI_SDK_TELEMETRY_INTEGRATIONS ?? [];
  registerTelemetry(telemetry('registered', lines));
  const callback = (line: string) => (): void => void lines.push(line);
  return {
    wrapModel: (model) => wrapModel(model, lines),
    options: { onStepFinish: callback('callback step'), onFinish: callback('callback finish') },
    heard: () => Promise.resolve(lines.splice(0)),
    stop() {
      channel.unsubscribe(subscriber);
      const added = globals.AI_SDK_TELEMETRY_INTEGRATIONS ?? [];
      globals.AI_SDK_TELEMETRY_INTEGRATIONS = [...before, ...added.filter((each) => isOurs(each) && !before.includes(each))];
    },
  };
}

const own = new WeakSet<Telemetry>();
const isOurs = (integration: Telemetry): boolean => !own.has(integration);

/** Returns an integration that hears every event. */
export function telemetry(name: string, lines: string[]): Telemetry {
  const events = ['onStart', 'onStepStart', 'onLanguageModelCallStart', 'onLanguageModelCallEnd', 'onToolExecutionStart', 'onToolExecutionEnd', 'onStepEnd', 'onEnd'];
  const integration = Object.fromEntries(events.map((event) => [event, () => void lines.push(`${name} ${event}`)])) as Telemetry;
  own.add(integration);
  return integration;
}

function wrapModel(model: Model, lines: string[]): Model {
  return wrapLanguageModel({
    model: model as never,
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
}
