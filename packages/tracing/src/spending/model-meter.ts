import { AsyncLocalStorage } from 'node:async_hooks';
import { attributeNames } from '@agent-lightning/core';
import { activeSpan } from '../scope/active-span.ts';
import { processWide } from '../scope/process-wide.ts';
import { currentRollout, type RolloutScope } from '../scope/rollout-scope.ts';
import { writeTrace } from '../scope/untraceable.ts';

/** The side of a run that asks a model by `toAskModel`: a judge, or the algorithm that looks for prompts. */
export type AskingPart = 'judge' | 'optimizer';

/** Counts the model calls of a run, and says when no further one may be made. */
export interface ModelMeter {
  /** Called before each call that is made in this process. @throws {LightningError} when it may not be made, such as `limit-reached` */
  admit(call: { readonly part: AskingPart | 'agent'; readonly model: string | undefined }): void;
  /** Called after each call that was answered outside rollouts; those inside are counted from the trace. */
  count(call: AnsweredCall): void;
}

/** A call that was answered. */
export interface AnsweredCall {
  readonly part: AskingPart;
  readonly model: string | undefined;
  /** Undefined where nobody reported them, as `outputTokens` is. */
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  /** Those of the input tokens that were read from a cache. */
  readonly cachedTokens: number | undefined;
}

const storage = processWide('agentlightning.model-meter.v1', () => new AsyncLocalStorage<ModelMeter>());

/** Runs work whose model calls a meter counts, those of the rollouts that it runs among them. */
export function runMetered<Result>(meter: ModelMeter, work: () => Result): Result {
  return storage.run(meter, work);
}

/** Checks that a call may be made. Does nothing outside a run. @throws {LightningError} when it may not, such as `limit-reached` */
export function admitCall(part: AskingPart | 'agent', model: string | undefined): void {
  storage.getStore()?.admit({ part, model });
}

/** Counts an answered call: in the trace inside a rollout, by the meter elsewhere. */
export function countCall(call: AnsweredCall): void {
  const scope = currentRollout();
  if (scope === undefined) storage.getStore()?.count(call);
  else writeTrace(scope, () => recordCall(scope, call));
}

function recordCall(
  scope: RolloutScope,
  { part, model, inputTokens, outputTokens, cachedTokens = 0 }: AnsweredCall,
): string {
  const parentSpanId = activeSpan(scope)?.spanId;
  return scope.recorder.record({
    kind: 'model_call',
    name: 'chat',
    ...(parentSpanId !== undefined && { parentSpanId }),
    attributes: {
      [attributeNames.source]: 'framework',
      [attributeNames.operationName]: 'chat',
      ...(part === 'judge' && { [attributeNames.isJudge]: true }),
      ...(model !== undefined && { [attributeNames.requestModel]: model }),
      ...(inputTokens !== undefined && { [attributeNames.inputTokens]: inputTokens }),
      ...(outputTokens !== undefined && { [attributeNames.outputTokens]: outputTokens }),
      ...(cachedTokens > 0 && { [attributeNames.cachedTokens]: cachedTokens }),
    },
  });
}
