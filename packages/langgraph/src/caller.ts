import type { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { AdapterError } from '@agent-lightning/core';
import { bindToRollout, runBeside } from '@agent-lightning/tracing';
import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AsyncCaller } from '@langchain/core/utils/async_caller';
// LangGraph creates LangChain's async-local storage when it is loaded.
import '@langchain/langgraph';
import { runs } from './listener.ts';

const storageKey: symbol = Symbol.for('ls:tracing_async_local_storage');
const childConfigKey: symbol = Symbol.for('lc:child_config');
const followedKey: symbol = Symbol.for('agentlightning.langgraph.followed.v1');

type Run = AsyncLocalStorage<unknown>['run'];
type LangChainStorage = { run: Run } & Record<symbol, unknown>;

/** The object that LangChain stores for the code of a run: a run tree that carries the config of the runs below. */
interface RunTree {
  readonly extra?: { readonly [key: symbol]: { readonly callbacks?: unknown } | undefined };
}

/**
 * Lets core know, wherever LangChain enters a run's code, which node that is: once per process.
 *
 * LangChain's own storage cannot be asked at the moment of a model call, because it is empty inside `model.stream()`.
 * @throws {AdapterError} `adapter-unsupported` when LangChain no longer has that storage, which is not a public interface
 */
export function followLangChainContext(): void {
  const storage = (globalThis as unknown as Record<symbol, LangChainStorage | undefined>)[storageKey];
  if (typeof storage?.run !== 'function') {
    throw new AdapterError(
      'this version of @langchain/core has no async-local storage under Symbol.for("ls:tracing_async_local_storage"), so model calls cannot be told apart by node; use @langchain/core ^1.1.48, and please report the version that you have',
      { code: 'adapter-unsupported' },
    );
  }
  if (storage[followedKey] === true) return;
  storage[followedKey] = true;
  const run = storage.run;
  storage.run = function (
    this: LangChainStorage,
    store: unknown,
    callback: (...args: unknown[]) => unknown,
    ...args: unknown[]
  ) {
    return insideRun(store, () => run.call(storage as unknown as AsyncLocalStorage<unknown>, store, callback, ...args));
  } as Run;
}

function insideRun<Result>(store: unknown, work: () => Result): Result {
  if (runs.size === 0) return work();
  return runs.inside(readParentRunId((store as RunTree | undefined)?.extra?.[childConfigKey]?.callbacks), work);
}

/** Callbacks are a list of handlers before the first run, and a manager that knows its run from then on. */
function readParentRunId(callbacks: unknown): string | undefined {
  const id = (callbacks as { readonly _parentRunId?: unknown } | undefined)?._parentRunId;
  return typeof id === 'string' ? id : undefined;
}

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
  for (const prototype of prototypesOf('AsyncCaller', AsyncCaller, callerFile) as readonly CallerPrototype[]) {
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
      return call.call(this, bindToRollout(callable), ...args);
    };
    prototype.callWithOptions = function (options, callable, ...args) {
      return callWithOptions.call(this, options, bindToRollout(callable), ...args);
    };
  }
}

interface ModelPrototype {
  generate(this: unknown, messages: unknown, options?: unknown, callbacks?: unknown): Promise<unknown>;
  [besideKey]?: boolean;
}

const besideKey: unique symbol = Symbol.for('agentlightning.langgraph.beside-agent.v1');

/**
 * Lets core know which model calls LangChain's middleware makes for a purpose of its own, such as a selection of tools: once per process.
 * The middleware says so in the call's metadata, and keeps some of them from every callback.
 */
export function followMiddlewareCalls(): void {
  for (const prototype of prototypesOf('BaseChatModel', BaseChatModel, modelFile) as readonly ModelPrototype[]) {
    if (prototype[besideKey] === true || typeof prototype.generate !== 'function') continue;
    const { generate } = prototype;
    prototype[besideKey] = true;
    prototype.generate = function (messages, options, callbacks) {
      const { metadata } = (options ?? {}) as { readonly metadata?: { readonly lc_source?: unknown } };
      const source = metadata?.lc_source;
      const work = () => generate.call(this, messages, options, callbacks);
      return typeof source === 'string' && source !== '' ? runBeside([source], work) : work();
    };
  }
}

const modelFile = /[\\/]@langchain[\\/]core[\\/]dist[\\/]language_models[\\/]chat_models\.c?js$/;
const callerFile = /[\\/]@langchain[\\/]core[\\/]dist[\\/]utils[\\/]async_caller\.c?js$/;

/** Returns the prototypes of a class of LangChain: of this module graph, and of CommonJS code in the same app, where it has loaded any. */
function prototypesOf(name: string, own: { readonly prototype: object }, file: RegExp): readonly object[] {
  // Not of import.meta.url, which a bundle in CommonJS does not have. Every require has the same cache.
  const loaded = Object.values(createRequire(process.execPath).cache).filter((module) => file.test(module?.id ?? ''));
  const classes = loaded.map(
    (module) => (module?.exports as Record<string, typeof own | undefined> | undefined)?.[name],
  );
  return [...new Set([own, ...classes.filter((each) => each !== undefined)])].map(({ prototype }) => prototype);
}
