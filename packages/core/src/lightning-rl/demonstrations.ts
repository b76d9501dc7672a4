/**
 * Training samples of rollouts that the agent is to imitate, for the loss `cross_entropy`:
 *
 *     loss = −Σ_ρ Σ_t w_ρ · lp(t)      over the response tokens t of the demonstrations ρ
 *
 * With `rollout`, w_ρ = v_ρ / (R · N(ρ)); with `token`, v_ρ / N; with a constant L, v_ρ / (R · L). v_ρ is 1, or with kinds R / (K · R_k):
 * then each of the K kinds has the same part in the loss, whatever its number of rollouts R_k. Every response token is trained once, and
 * the loss does not depend on how a rollout is split into samples.
 */
import type { Episode } from '../transitions/transition.ts';
import type { BatchSample, TokenWeighting } from './batch.ts';
import { checkTokenWeighting, weighSamples } from './loss-weights.ts';
import { buildSamples, type SampleLayout } from './samples.ts';

/** Says how demonstrations become training samples. */
export interface DemonstrationOptions {
  readonly samples: SampleLayout;
  readonly tokenWeighting: TokenWeighting;
  /** Returns the kind of a rollout; each kind has the same part in the loss. @default each rollout counts the same */
  readonly kindOf?: (episode: Episode) => string;
}

/**
 * Turns demonstrations into weighted training samples; rewards are not looked at. Samples are scored at temperature 1, whatever they were
 * sampled at: a text is imitated as it is.
 * @throws {ConfigurationError} `option-invalid`; {TraceError} `tokens-invalid` for a call that must not be trained on
 */
export function buildDemonstrations(
  episodes: readonly Episode[],
  { samples, tokenWeighting, kindOf }: DemonstrationOptions,
): readonly BatchSample[] {
  checkTokenWeighting(tokenWeighting);
  const trained = episodes.filter(({ transitions }) => transitions.length > 0);
  const kinds = kindOf === undefined ? undefined : Map.groupBy(trained, kindOf);
  const shareOf = (episode: Episode): number =>
    kinds === undefined ? 1 : trained.length / (kinds.size * kinds.get(kindOf!(episode))!.length); // v_ρ
  const built = trained.flatMap((episode) => {
    const { rolloutId, groupId = rolloutId } = episode.rollout;
    const shares = new Float64Array(episode.transitions.length).fill(shareOf(episode));
    return buildSamples(episode, groupId, shares, samples).map(atTemperatureOne);
  });
  return weighSamples(built, tokenWeighting);
}

function atTemperatureOne(sample: BatchSample): BatchSample {
  const { temperature: _, ...others } = sample;
  return others;
}
