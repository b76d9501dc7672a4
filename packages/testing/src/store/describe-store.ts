import { describe } from 'vitest';
import { describeAttempts } from './describe-attempts.ts';
import { describeBadInput } from './describe-bad-input.ts';
import { describeConcurrency } from './describe-concurrency.ts';
import { describeDurability } from './describe-durability.ts';
import { describeKeeping } from './describe-keeping.ts';
import { describeOpenSpans } from './describe-open-spans.ts';
import { describeModel, type ModelSuiteOptions } from './describe-model.ts';
import { describeQueue } from './describe-queue.ts';
import { describeSpans } from './describe-spans.ts';
import { describeWaiting } from './describe-waiting.ts';
import { describeWatchdog } from './describe-watchdog.ts';
import type { OpenStore } from './store-fixture.ts';

/** Declares the whole contract of a `LightningStore` as tests; call it in a test file of your store's package. */
export function describeStore(name: string, open: OpenStore, options: ModelSuiteOptions = {}): void {
  describe(`${name} is a LightningStore`, () => {
    describeQueue(open);
    describeAttempts(open);
    describeWatchdog(open);
    describeSpans(open);
    describeOpenSpans(open);
    describeWaiting(open);
    describeKeeping(open);
    describeBadInput(open);
    describeDurability(open);
    describeConcurrency(open);
    describeModel(open, options);
  });
}
