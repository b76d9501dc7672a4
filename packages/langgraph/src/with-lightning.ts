import { AdapterError } from '@agent-lightning/core';
import { agentOptions, installFetchRedirect, type AgentOptions } from '@agent-lightning/tracing';
import type { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import { followLangChainContext, followMiddlewareCalls, keepQueueContext } from './caller.ts';
import { LightningCallbackHandler, runs } from './listener.ts';

/** A compiled graph, a `createAgent` agent, or an `entrypoint` workflow. */
export interface Configurable {
  withConfig(config: { callbacks: BaseCallbackHandler[] }): unknown;
}

/**
 * Makes a graph trainable: the same graph, of the same type, which inside a rollout is traced and has the model calls of the nodes
 * that `agentMatch` selects answered by the policy. Outside a rollout it does what the graph does.
 *
 * The graph that was given stays as it was, inside a rollout too: use the returned one. Call it before the graph's models are called for the first time.
 * @throws {AdapterError} `adapter-unsupported` for a graph that is not compiled, or a LangChain that cannot be followed
 * @throws {ConfigurationError} `option-invalid` when `agentMatch` is not a regular expression or a name
 */
export function withLightning<const Graph extends Configurable>(graph: Graph, options: AgentOptions = {}): Graph {
  if (typeof graph?.withConfig !== 'function') {
    throw new AdapterError(
      'withLightning takes a compiled graph or another runnable with a withConfig method; call .compile() on a StateGraph first',
      { code: 'adapter-unsupported' },
    );
  }
  const checked = agentOptions(options);
  const handler = new LightningCallbackHandler(checked, runs.wrappersOf(graph));
  followLangChainContext();
  keepQueueContext();
  followMiddlewareCalls();
  installFetchRedirect();
  const wrapped = graph.withConfig({ callbacks: [handler] }) as Graph & object;
  runs.wrap(wrapped, checked, graph);
  return wrapped;
}
