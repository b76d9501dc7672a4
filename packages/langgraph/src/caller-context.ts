import type { AsyncLocalStorage } from 'node:async_hooks';
import { AdapterError, currentRollout, runInRollout, runInSpan } from '@agent-lightning/core';
// LangGraph creates LangChain's async-local storage when it is loaded.
import '@langchain/langgraph';
import { activeSpanOf, tracedRuns } from './run-registry.ts';

const storageKey: symbol = Symbol.for('ls:tracing_async_local_storage');
const childConfigKey: symbol = Symbol.for('lc:child_config');
const followedKey: symbol = Symbol.for('agentlightning.langgraph.followed.v1');

type Run = AsyncLocalStorage<unknown>['run'];
type LangChainStorage = { run: Run } & Record<symbol, unknown>;

/** What LangChain stores for the code of a run: a run tree that carries the config of the runs below. */
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
  if (tracedRuns.size === 0) return work();
  const parentRunId = readParentRunId((store as RunTree | undefined)?.extra?.[childConfigKey]?.callbacks);
  const run = parentRunId === undefined ? undefined : tracedRuns.get(parentRunId);
  const active = run && activeSpanOf(run);
  if (run === undefined || active === undefined) return work();
  const current = currentRollout();
  if (current === run.scope) return runInSpan(active, work);
  // A stream that is read outside the rollout that began it; but a rollout inside this run has its own spans.
  return current === undefined ? runInRollout(run.scope, () => runInSpan(active, work)) : work();
}

/** Callbacks are a list of handlers before the first run, and a manager that knows its run from then on. */
function readParentRunId(callbacks: unknown): string | undefined {
  const id = (callbacks as { readonly _parentRunId?: unknown } | undefined)?._parentRunId;
  return typeof id === 'string' ? id : undefined;
}
