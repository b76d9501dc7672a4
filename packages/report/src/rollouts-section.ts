import type { JsonValue, RolloutExcerpt } from '@agent-lightning/core';
import type { ComparedRollout, HeldOutComparison } from './held-out-comparison.ts';
import { markup, type Markup } from './markup.ts';
import type { ReportData } from './report-data.ts';
import type { StepExcerpt } from './step-excerpts.ts';
import { signed, tokenLegend, tokenText, type ViewToken } from './token-view.ts';

/** Shows held-out tasks as they were done before and after training. */
export function heldOutComparisons({ comparisons, hasPolicy }: ReportData): Markup | undefined {
  if (comparisons.length === 0) return undefined;
  return markup`<h2>The same held-out tasks, before and after</h2>${hasPolicy ? tokenLegend(false) : undefined}${comparisons.map(compare)}`;
}

/** Shows training rollouts of the first and the last step, token by token. */
export function trainingRollouts({ excerpts }: ReportData): Markup | undefined {
  if (excerpts.length === 0) return undefined;
  return markup`<h2>Training rollouts, token by token</h2>${tokenLegend(true)}${excerpts.map(oneStep)}`;
}

function compare({ task, before, after }: HeldOutComparison): Markup {
  return markup`<div class="card" style="margin-top:10px">${taskText(task)}<div class="grid2"><div><h3>before training</h3>${compared(before, 0)}</div><div><h3>after training</h3>${compared(after, (after.reward ?? 0) - (before.reward ?? 0))}</div></div></div>`;
}

function compared({ reward, failure, calls }: ComparedRollout, tone: number): Markup {
  return markup`<div class="facts">${badge(reward, tone)}${failure === undefined ? undefined : markup`<span>failed: ${failure}</span>`}</div>${calls.map(({ agentName, tokens }) => markup`<div class="call"><div class="name">${agentName || 'model call'}</div>${tokenText(tokens)}</div>`)}`;
}

function oneStep({ step, rollouts }: StepExcerpt): Markup {
  const groups = [...Map.groupBy(rollouts, (rollout) => rollout.groupId).values()];
  return markup`${groups.map((group) => markup`<div class="card" style="margin-top:10px"><h3>step ${step} · one group: the same task, compared</h3>${taskText(group[0]!.task)}${group.map(oneRollout)}</div>`)}`;
}

function oneRollout({ rolloutId, reward, samples }: RolloutExcerpt): Markup {
  const calls = samples.reduce((sum, sample) => sum + sample.segments.length, 0);
  const tone = samples.flatMap((sample) => sample.segments).reduce((sum, segment) => sum + segment.advantage, 0);
  return markup`<div class="rollout"><div class="facts">${badge(reward, tone)}<span>${calls} ${calls === 1 ? 'call' : 'calls'} in ${samples.length} ${samples.length === 1 ? 'sample' : 'samples'}</span><span class="path">${rolloutId}</span></div>${samples.map(oneSample)}</div>`;
}

function oneSample(sample: RolloutExcerpt['samples'][number]): Markup {
  const advantageAt = new Map(
    sample.segments.flatMap(({ start, end, advantage }) =>
      Array.from({ length: end - start }, (_, offset) => [start + offset, advantage] as const),
    ),
  );
  const tokens = sample.tokens.map((id, t): ViewToken => {
    const isSampled = sample.lossMask[t] === 1;
    return {
      text: sample.texts?.[t] ?? `${id} `,
      logprob: isSampled ? sample.logprobs[t]! : undefined,
      advantage: isSampled ? advantageAt.get(t) : undefined,
    };
  });
  const names = sample.segments.map(
    ({ agentName, callIndex, advantage }) => `${agentName || `call ${callIndex + 1}`}: advantage ${signed(advantage)}`,
  );
  return markup`<div class="call"><div class="name">${names.join(' · ')}</div>${tokenText(tokens)}</div>`;
}

function taskText(task: JsonValue): Markup {
  return markup`<div class="task">${typeof task === 'string' ? task : JSON.stringify(task)}</div>`;
}

/** @param tone above 0 for better, below 0 for worse */
function badge(reward: number | undefined, tone: number): Markup {
  if (reward === undefined) return markup`<span class="badge bad">no reward</span>`;
  return markup`<span class="badge${tone > 0 ? ' good' : tone < 0 ? ' bad' : ''}">reward ${Number(reward.toFixed(3))}</span>`;
}
