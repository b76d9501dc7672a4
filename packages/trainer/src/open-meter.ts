import { check, LightningError } from '@agent-lightning/core';
import { SpendMeter } from '@agent-lightning/run';
import { runMetered } from '@agent-lightning/tracing';
import type { ResolvedTrainerOptions } from './trainer-options.ts';

type MeteredOptions = Pick<
  ResolvedTrainerOptions<never>,
  'spending' | 'policies' | 'algorithm' | 'backend' | 'logger' | 'groupReward'
>;

/** Opens the meter of a run. @param path the file that keeps what the run spends; undefined for what is not resumed */
export async function openMeter(options: MeteredOptions, path: string | undefined): Promise<SpendMeter> {
  const { spending, policies, algorithm, logger } = options;
  return await SpendMeter.open({
    rules: spending,
    free: ['base', ...policies.map(({ name }) => name)],
    hosted: algorithm.models ?? [],
    onWarning: (message) => logger.warn(message),
    ...(path === undefined ? {} : { path }),
  });
}

/**
 * Checks, before a run writes anything, that money which is limited can be counted: the models that the algorithm and the judge of groups ask need a
 * price, and so do policies on a server that may charge for them.
 * @throws {ConfigurationError} `option-invalid`
 */
export function checkPricesAhead({ spending, policies, algorithm, backend, groupReward }: MeteredOptions): void {
  if (spending.limits.usd === Infinity) return;
  SpendMeter.requirePrices(spending, [algorithm.models ?? [], groupReward?.model ?? []].flat());
  const unpriced = policies.find(({ name }) => spending.prices[name] === undefined);
  if (backend?.name === 'tinker' && unpriced !== undefined)
    throw check.optionInvalid(
      `Trainer: prices[${JSON.stringify(unpriced.name)}]`,
      undefined,
      'the price of the calls that the server answers, in US dollars for a million tokens, since limits.usd is given; { input: 0, output: 0 } for a server of your own. What a server charges for training is not counted',
    );
}

/**
 * Does work that no run is resumed from, such as an evaluation, within the limits, and says what it spent.
 * @throws {TrainerError} `limit-reached`; what the work throws
 */
export async function runOnMeter<Result>(
  options: MeteredOptions,
  work: (meter: SpendMeter) => Promise<Result>,
): Promise<Result> {
  const meter = await openMeter(options, undefined);
  meter.begin();
  try {
    return await runMetered(meter, () => work(meter));
  } catch (error) {
    const isCancelled = LightningError.isInstance(error) && error.code === 'cancelled';
    throw isCancelled && meter.reached.aborted ? meter.reached.reason : error;
  } finally {
    await meter.close();
    const { usd, parts } = meter.spend;
    const isTold = meter.isLimited || usd > 0 || parts.judge.calls + parts.optimizer.calls > 0;
    if (isTold) options.logger.info(`spent: ${meter.describe()}`);
  }
}

/** Returns the signal that ends such work: the user's, that of its session, or that of a limit. */
export function joinStops(
  { signal }: Pick<ResolvedTrainerOptions<never>, 'signal'>,
  { failed }: { readonly failed: AbortSignal },
  { reached }: Pick<SpendMeter, 'reached'>,
): AbortSignal {
  return AbortSignal.any([failed, reached, ...(signal === undefined ? [] : [signal])]);
}
