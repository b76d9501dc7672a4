import {
  AdapterError,
  agentOptions,
  ConfigurationError,
  describeValue,
  installFetchRedirect,
} from '@agent-lightning/core';
import type { LanguageModel } from 'ai';
import { callAgent, callModel, type CalledModel, type LightningOptions, type PolicyModel } from './caller.ts';
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

/** The options of a wrapped language model. */
export interface LanguageModelOptions extends LightningOptions {
  /**
   * Makes the model that answers the selected calls inside a rollout; needed for providers that do not speak OpenAI's wire.
   * @default the model itself, whose HTTP calls go to the rollout's endpoint
   */
  readonly policyModel?: PolicyModel;
}

/**
 * Makes an agent or a language model trainable: the same one, of the same type, which inside a rollout is traced and has the model
 * calls that `agentMatch` selects answered by the policy. Outside a rollout it does what the original does.
 *
 * The agent or model that was given stays as it was: use the returned one.
 * @throws {AdapterError} `adapter-unsupported` for what is neither, such as the id of a model
 * @throws {ConfigurationError} `option-invalid` | `option-unsupported` for an option that cannot be honoured
 */
export function withLightning<Model extends LanguageModelLike>(model: Model, options?: LanguageModelOptions): Model;
export function withLightning<Agent extends AgentLike>(agent: Agent, options?: LightningOptions): Agent;
export function withLightning(
  target: LanguageModelLike | AgentLike,
  options: LanguageModelOptions = {},
): LanguageModelLike | AgentLike {
  const wrap = isAgent(target) ? wrapAgent : isModel(target) ? wrapModel : undefined;
  if (wrap === undefined) {
    throw new AdapterError(
      `withLightning takes a ToolLoopAgent or a language model; got ${describeValue(target)}${typeof target === 'string' ? ' (make a model of the id with a provider, such as openai(id))' : ''}`,
      { code: 'adapter-unsupported' },
    );
  }
  const checked = checkOptions(options, isAgent(target));
  listen();
  installFetchRedirect();
  return wrap(target as AgentLike & LanguageModelLike, checked);
}

function checkOptions(options: LanguageModelOptions, isForAgent: boolean): LanguageModelOptions {
  const { name, policyModel } = options;
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
    ...agentOptions(options),
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

type Call = (options: never) => PromiseLike<unknown>;

function wrapAgent(agent: AgentLike, options: LightningOptions): AgentLike {
  const name = options.name ?? agent.id ?? 'agent';
  return replaceMembers(agent, {
    generate: (request) => callAgent(name, options, () => agent.generate(request), 'result'),
    stream: (request) => callAgent(name, options, () => agent.stream(request), 'operation'),
  });
}

function wrapModel(target: LanguageModelLike, options: LanguageModelOptions): LanguageModelLike {
  const model = target as unknown as CalledModel;
  return replaceMembers(target, {
    doGenerate: (callOptions) => callModel({ model, method: 'doGenerate', callOptions, options }),
    doStream: (callOptions) => callModel({ model, method: 'doStream', callOptions, options }),
  });
}

/** The same object with other methods; what the object keeps private stays reachable to its own methods. */
function replaceMembers<Target extends object>(target: Target, members: Readonly<Record<string, Call>>): Target {
  return new Proxy(target, {
    get(original, key) {
      if (typeof key === 'string' && Object.hasOwn(members, key)) return members[key];
      const value: unknown = Reflect.get(original, key, original);
      const isMethod = typeof value === 'function' && key !== 'constructor' && !Object.hasOwn(original, key);
      return isMethod ? (value as Call).bind(original) : value;
    },
  });
}
