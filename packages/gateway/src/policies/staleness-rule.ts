import { check, ConfigurationError } from '@agent-lightning/core';
import { ReplyError } from '../http/reply-error.ts';

/** A call of an attempt that began on a much older version of the policy. */
export interface StaleCall {
  readonly rolloutId: string;
  readonly attemptId: string;
  readonly policy: string;
  /** The version that answered the attempt's first call. */
  readonly firstVersion: number;
  readonly version: number;
}

/** `mark` answers a stale call and keeps it out of training, `refuse` does not answer it. */
export type StaleVerdict = 'mark' | 'refuse';

export interface StalenessOptions {
  /** The number of versions that may be published during an attempt before its calls are stale. @default Infinity */
  readonly maxStaleness?: number;
  /** The verdict on stale calls, the same for all or call by call. @default 'mark' */
  readonly onStale?: StaleVerdict | ((call: StaleCall) => StaleVerdict);
}

const verdicts: ReadonlySet<unknown> = new Set<StaleVerdict>(['mark', 'refuse']);

/** Returns the options with their defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveStaleness(options: StalenessOptions): Required<StalenessOptions> {
  const { maxStaleness = Number.POSITIVE_INFINITY, onStale = 'mark' } = options;
  const invalid = (problem: string): ConfigurationError =>
    new ConfigurationError(`gateway: ${problem}`, { code: 'option-invalid' });
  if (typeof maxStaleness !== 'number' || !(maxStaleness >= 0))
    throw invalid(`maxStaleness must be a number of at least 0, not ${String(maxStaleness)}`);
  if (typeof onStale !== 'function' && !verdicts.has(onStale))
    throw invalid(`onStale must be "mark", "refuse" or a function, not ${JSON.stringify(onStale)}`);
  return { maxStaleness, onStale };
}

/** Checks how far a policy moved on while an attempt runs; the bound can be set while calls come in. */
export class StalenessRule {
  #options: Required<StalenessOptions>;

  constructor(options: Required<StalenessOptions>) {
    this.#options = options;
  }

  get maxStaleness(): number {
    return this.#options.maxStaleness;
  }

  /** Sets the rule for calls from now on; what is not given stays as it is. @throws {ConfigurationError} `option-invalid` */
  set(options: StalenessOptions): void {
    check.knownOptions('setStaleness', options, ['maxStaleness', 'onStale']);
    this.#options = resolveStaleness({ ...this.#options, ...options });
  }

  /** Returns why a call is stale and must not be trained on, or undefined when it is not stale. @throws {ReplyError} 409 `policy-moved-on` for one that is refused */
  check(call: StaleCall): string | undefined {
    const { maxStaleness, onStale } = this.#options;
    const { policy, firstVersion, version } = call;
    if (version - firstVersion <= maxStaleness) return undefined;
    const what = `policy "${policy}" went from version ${firstVersion} to ${version} during this attempt, more than ${maxStaleness}`;
    const verdict = typeof onStale === 'function' ? onStale(call) : onStale;
    if (verdict === 'refuse')
      throw new ReplyError(`${what}; begin a new attempt`, {
        code: 'request-invalid',
        status: 409,
        replyCode: 'policy-moved-on',
      });
    return `stale: ${what}`;
  }
}
