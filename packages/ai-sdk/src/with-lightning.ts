import { check, AdapterError, ConfigurationError } from '@agent-lightning/core';
import { agentOptions, createProxy, describeValue, installFetchRedirect, processWide } from '@agent-lightning/tracing';
import { gateway, type LanguageModel } from 'ai';
import {
  callAgent,
  callModel,
  runAround,
  type CalledModel,
  type LightningOptions,
  type PolicyModel,
  type Wrapping,
} from './caller.ts';
import { listen } from './listener.ts';

/** A `ToolLoopAgent`, or another implementation of the AI SDK's agent. */
export interface AgentLike {
  readonly version: 'agent-v1';
  readonly id: string | undefined;
  generate(options: never): PromiseLike<unknown>;
  stream(options: never): PromiseLike<unknown>;
}

/** A language model of any version: what a provider gives for an id. */
export type LanguageModelLike = Exclude<LanguageModel, string>;

/** A provider, such as `openai`, or what AI SDK's `createProviderRegistry` and `customProvider` give. */
export interface ProviderLike {
  languageModel(id: never): LanguageModelLike;
}

/** The options of a wrapped language model. */
export interface LanguageModelOptions extends LightningOptions {
  /**
   * Makes the model that answers the selected calls inside a rollout.
   * @default the model itself, whose HTTP calls go to the rollout's endpoint; a chat model for a provider that speaks no dialect of OpenAI or Anthropic
   */
  readonly policyModel?: PolicyModel;
}

/**
 * Makes an agent, a language model, or every language model of a provider trainable: the same one, of the same type, which inside a
 * rollout is traced and has the model calls that `agentMatch` selects answered by the policy. Outside a rollout it does what the
 * original does. For the id of a model it gives the model that the AI SDK would make of it at the moment of a call.
 *
 * The agent, model or provider that was given stays as it was, inside a rollout too: use the returned one.
 * @throws {AdapterError} `adapter-unsupported` for what is none of these
 * @throws {ConfigurationError} `option-invalid` | `option-unsupported` for an option that cannot be honoured
 */
export function withLightning<Model extends LanguageModelLike>(model: Model, options?: LanguageModelOptions): Model;
export function withLightning<Agent extends AgentLike>(agent: Agent, options?: LightningOptions): Agent;
export function withLightning<Provider extends ProviderLike>(
  provider: Provider,
  options?: LanguageModelOptions,
): Provider;
export function withLightning(id: Extract<LanguageModel, string>, options?: LanguageModelOptions): LanguageModelLike;
export function withLightning(
  target: LanguageModel | AgentLike | ProviderLike,
  options: LanguageModelOptions = {},
): LanguageModelLike | AgentLike | ProviderLike {
  if (!isAgent(target) && !isModel(target) && !isProvider(target) && !isModelId(target)) {
    throw new AdapterError(
      `withLightning takes a ToolLoopAgent, a language model or its id, or a provider; got ${describeValue(target)}`,
      { code: 'adapter-unsupported' },
    );
  }
  const checked = checkOptions(options, isAgent(target));
  listen();
  installFetchRedirect();
  followModelIds();
  if (isAgent(target)) return wrapAgent(target, checked);
  if (isModel(target)) return wrapModel(target, checked);
  return isModelId(target) ? wrapModelId(target, checked) : wrapProvider(target, checked);
}

function checkOptions(options: LanguageModelOptions, isForAgent: boolean): LanguageModelOptions {
  check.knownOptions('withLightning', options, { agentMatch: true, name: true, policyModel: true, prompts: true });
  const { name, policyModel, agentMatch, prompts } = options;
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw new ConfigurationError(`name must be a text that is not empty; got ${describeValue(name)}`, {
      code: 'option-invalid',
    });
  }
  if (policyModel !== undefined && isForAgent) {
    throw new ConfigurationError(
      'policyModel belongs to a model, not to an agent; wrap the model that you give to the agent',
      { code: 'option-unsupported' },
    );
  }
  if (policyModel !== undefined && typeof policyModel !== 'function') {
    throw new ConfigurationError(
      `policyModel must be a function of the rollout's endpoint; got ${describeValue(policyModel)}`,
      { code: 'option-invalid' },
    );
  }
  return Object.freeze({
    ...agentOptions({ ...(agentMatch !== undefined && { agentMatch }), ...(prompts !== undefined && { prompts }) }),
    ...(name !== undefined && { name }),
    ...(policyModel !== undefined && { policyModel }),
  });
}

function isAgent(target: unknown): target is AgentLike {
  const { version, generate, stream } = (target ?? {}) as Partial<AgentLike>;
  return version === 'agent-v1' && typeof generate === 'function' && typeof stream === 'function';
}

function isModel(target: unknown): target is LanguageModelLike {
  const { doGenerate, doStream } = (target ?? {}) as Partial<LanguageModelLike>;
  return typeof doGenerate === 'function' && typeof doStream === 'function';
}

function isModelId(target: unknown): target is string {
  return typeof target === 'string' && target !== '';
}

function isProvider(target: unknown): target is ProviderLike {
  return typeof (target as Partial<ProviderLike> | undefined)?.languageModel === 'function';
}

type Call = (options: never) => PromiseLike<unknown>;

/** Holds what a wrapped agent or model is under all of its wrappers, and how it is wrapped. */
interface Wrapped {
  /** The one that was given first; of the id of a model, the model of the moment. */
  readonly original: () => object;
  readonly wrapping: Wrapping;
}

const wrappedKey: symbol = Symbol.for('agentlightning.ai-sdk.wrapped.v1');
const wrappedGlobals = globalThis as unknown as Record<symbol, WeakMap<object, Wrapped> | undefined>;
/** The wrapped agents and models, for all copies of this package: one that is wrapped again is one agent with two wrappers. */
const wrapped: WeakMap<object, Wrapped> = (wrappedGlobals[wrappedKey] ??= new WeakMap());

/** Puts one more wrapper around an agent or a model. */
function addOptions(
  target: object,
  { name, policyModel, ...options }: LanguageModelOptions,
  original: () => object = () => target,
): Wrapped {
  const inner = wrapped.get(target) ?? { original, wrapping: { wrappers: [], names: [] } };
  const wrapping: Wrapping = {
    wrappers: [...inner.wrapping.wrappers, options],
    names: [...inner.wrapping.names, ...(name === undefined ? [] : [name])],
    policyModel: inner.wrapping.policyModel ?? policyModel,
  };
  return { original: inner.original, wrapping };
}

function remember<Proxied extends object>(proxy: Proxied, how: Wrapped): Proxied {
  wrapped.set(proxy, how);
  return proxy;
}

function wrapAgent(target: AgentLike, options: LightningOptions): AgentLike {
  const how = addOptions(target, options);
  const agent = how.original() as AgentLike;
  const id = agent.id ?? 'agent';
  const proxy = replaceMembers(agent, {
    generate: (request) => callAgent(how.wrapping, id, () => agent.generate(request), 'result'),
    stream: (request) => callAgent(how.wrapping, id, () => agent.stream(request), 'operation'),
  });
  return remember(proxy, how);
}

function wrapModel(target: LanguageModelLike, options: LanguageModelOptions): LanguageModelLike {
  const how = addOptions(target, options);
  return remember(replaceMembers(target, callsOf(how)), how);
}

function callsOf({ original, wrapping }: Wrapped) {
  const callWith =
    (method: 'doGenerate' | 'doStream'): Call =>
    (callOptions) =>
      callModel({ model: original() as CalledModel, method, callOptions, wrapping });
  return { doGenerate: callWith('doGenerate'), doStream: callWith('doStream') };
}

/** Returns a model that asks the global provider of the moment, as the AI SDK does for an id. */
function wrapModelId(id: string, options: LanguageModelOptions): LanguageModelLike {
  const modelOf = (): LanguageModelLike => globalProvider().languageModel(id as never);
  const how = addOptions({}, options, modelOf);
  const calls = callsOf(how);
  const proxy = new Proxy({} as LanguageModelLike, {
    get(_target, key) {
      if (key === 'doGenerate' || key === 'doStream') return calls[key];
      return Reflect.get(modelOf(), key) as unknown;
    },
    has: (_target, key) => key in modelOf(),
  });
  return remember(proxy, how);
}

const wrappedProviders = new WeakSet<object>();

/** Returns a provider whose methods give wrapped models; it may be a function itself. */
function wrapProvider<Provider extends ProviderLike>(provider: Provider, options: LanguageModelOptions): Provider {
  const wrapMade = (made: unknown): unknown => (isModel(made) ? wrapModel(made, options) : made);
  const proxy = createProxy(provider, {
    get(key) {
      const value: unknown = Reflect.get(provider, key, provider);
      if (typeof value !== 'function' || key === 'constructor') return value;
      return (...args: unknown[]) => wrapMade(Reflect.apply(value, provider, args));
    },
    apply: (args) => wrapMade(Reflect.apply(provider as unknown as (...args: unknown[]) => unknown, undefined, args)),
  });
  wrappedProviders.add(proxy);
  return proxy;
}

const providerKey = 'AI_SDK_DEFAULT_PROVIDER';
const appProvider = processWide(
  'agentlightning.ai-sdk.default-provider.v1',
  (): { isFollowed: boolean; given: unknown } => ({
    isFollowed: false,
    given: undefined,
  }),
);

/** Returns the provider with which the AI SDK makes models of ids. */
function globalProvider(): ProviderLike {
  return (appProvider.given ?? gateway) as ProviderLike;
}

/** Has ids inside wrapped agents make wrapped models, once per process; elsewhere the global provider is what the app has set. */
function followModelIds(): void {
  if (appProvider.isFollowed) return;
  appProvider.isFollowed = true;
  appProvider.given = (globalThis as { [providerKey]?: unknown })[providerKey];
  const isLeftAlone = (): boolean => runAround() === undefined || wrappedProviders.has(globalProvider());
  Object.defineProperty(globalThis, providerKey, {
    configurable: true,
    enumerable: true,
    get: () => (isLeftAlone() ? appProvider.given : wrapProvider(globalProvider(), {})),
    set: (given: unknown) => {
      appProvider.given = given;
    },
  });
}

/** Returns the same object with other methods; what the object keeps private stays reachable to its own methods. */
function replaceMembers<Target extends object>(target: Target, members: Readonly<Record<string, Call>>): Target {
  return createProxy(target, {
    get(key) {
      if (typeof key === 'string' && Object.hasOwn(members, key)) return members[key];
      const value: unknown = Reflect.get(target, key, target);
      const isMethod = typeof value === 'function' && key !== 'constructor' && !Object.hasOwn(target, key);
      return isMethod ? (value as Call).bind(target) : value;
    },
  });
}
