import { AsyncResource } from 'node:async_hooks';

/**
 * Returns the function as one that always runs where it was bound: in the rollout, the agent and the span that the code is in now, or
 * outside of all. Bind what you hand to a queue or a limiter that rollouts share: many, such as `p-queue`, start a waiting task
 * in the async context of the task that has just ended, and its model calls would reach the endpoint and the reward of another rollout.
 */
export function bindToRollout<This, Arguments extends readonly unknown[], Result>(
  work: (this: This, ...args: Arguments) => Result,
): (this: This, ...args: Arguments) => Result {
  const resource = new AsyncResource('agentlightning.bound');
  return function bound(this: This, ...args: Arguments): Result {
    return resource.runInAsyncScope(() => work.apply(this, args as never));
  };
}
