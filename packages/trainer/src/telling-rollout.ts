import type { Episode } from '@agent-lightning/core';
import { describeRollout, viewRollout } from '@agent-lightning/report';
import { countFailures, type RolloutCollector } from '@agent-lightning/run';

/** Writes the rollout that tells most of these, as it went; undefined where there is none. */
export async function describeTellingRollout(
  collector: Pick<RolloutCollector, 'readSpans'>,
  episodes: readonly Episode[],
): Promise<string | undefined> {
  const episode = findTellingEpisode(episodes);
  return episode && describeRollout(viewRollout(episode, await collector.readSpans([episode.rollout])));
}

/** Finds the succeeded rollout with the highest reward; where none succeeded, one that failed as most did. */
export function findTellingEpisode(episodes: readonly Episode[]): Episode | undefined {
  const succeeded = episodes.filter(({ rollout }) => rollout.status === 'succeeded');
  if (succeeded.length > 0) return succeeded.reduce((best, each) => (rewardOf(each) > rewardOf(best) ? each : best));
  const most = countFailures(episodes).toSorted((one, other) => other.count - one.count)[0];
  return episodes.find(({ rollout }) => rollout === most?.example);
}

function rewardOf({ reward = -Infinity }: Episode): number {
  return reward;
}
