import { AsyncResource } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { AdapterError, currentRollout } from '@agent-lightning/core';
import { AsyncCaller } from '@langchain/core/utils/async_caller';

type Callable = (...args: unknown[]) => Promise<unknown>;
type Call = (this: unknown, callable: Callable, ...args: unknown[]) => Promise<unknown>;
type CallWithOptions = (this: unknown, options: unknown, callable: Callable, ...args: unknown[]) => Promise<unknown>;

interface CallerPrototype {
  call: Call;
  callWithOptions: CallWithOptions;
  [keptKey]?: boolean;
}

const keptKey: unique symbol = Symbol.for('agentlightning.langgraph.queue-context.v1');

/**
 * Makes LangChain's call queue run each call in the async context that asked for it: once per process.
 *
 * A model with `maxConcurrency` keeps calls in a queue, and starts a waiting one in the context of the call that has just
 * ended. For rollouts that share the model, it would reach the endpoint of another rollout.
 */
export function keepQueueContext(): void {
  for (const prototype of callerPrototypes()) {
    if (prototype[keptKey] === true) continue;
    const { call, callWithOptions } = prototype;
    if (typeof call !== 'function' || typeof callWithOptions !== 'function') {
      throw new AdapterError(
        'this version of @langchain/core has another AsyncCaller, so calls that wait in its queue cannot be kept in their rollout; use @langchain/core ^1.1.48, and please report the version that you have',
        { code: 'adapter-unsupported' },
      );
    }
    prototype[keptKey] = true;
    prototype.call = function (callable, ...args) {
      return call.call(this, bound(callable), ...args);
    };
    prototype.callWithOptions = function (options, callable, ...args) {
      return callWithOptions.call(this, options, bound(callable), ...args);
    };
  }
}

function bound(callable: Callable): Callable {
  return currentRollout() === undefined ? callable : AsyncResource.bind(callable);
}

/** The class of this module graph, and that of CommonJS code in the same app, where it has loaded one. */
function callerPrototypes(): readonly CallerPrototype[] {
  const require = createRequire(import.meta.url);
  const loaded = require.cache[require.resolve('@langchain/core/utils/async_caller')]?.exports as
    | { readonly AsyncCaller?: typeof AsyncCaller }
    | undefined;
  const classes = loaded?.AsyncCaller === undefined ? [AsyncCaller] : [AsyncCaller, loaded.AsyncCaller];
  return classes.map(({ prototype }) => prototype as unknown as CallerPrototype);
}
