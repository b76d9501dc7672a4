import type { JsonValue, RolloutSample } from '@agent-lightning/core';
import type { ComparedRollout, HeldOutComparison } from './held-out-comparison.ts';
import { markup, type Markup } from './markup.ts';
import type { ReportData } from './report-data.ts';
import type { StepSample } from './step-samples.ts';
import { signed, tokenLegend, tokenText, type ViewToken } from './token-view.ts';

/** The same held-out tasks before and after training. */
export function heldOutComparisons({ comparisons, hasPolicy }: ReportData): Markup | undefined {
  if (comparisons.length === 0) return undefined;
  return markup`<h2>The same held-out tasks, before and after</h2>${hasPolicy ? tokenLegend(false) : undefined}${comparisons.map(compare)}`;
}

/** Training rollouts token by token, of the first and the last step. */
export function trainingRollouts({ samples }: ReportData): Markup | undefined {
  if (samples.length === 0) return undefined;
  return markup`<h2>Training rollouts, token by token</h2>${tokenLegend(true)}${samples.map(oneStep)}`;
}

function compare({ task, before, after }: HeldOutComparison): Markup {
  return markup`<div class="card" style="margin-top:10px">${taskText(task)}<div class="grid2"><div><h3>before training</h3>${compared(before, 0)}</div><div><h3>after training</h3>${compared(after, (after.reward ?? 0) - (before.reward ?? 0))}</div></div></div>`;
}

function compared({ reward, failure, calls }: ComparedRollout, tone: number): Markup {
  return markup`<div class="facts">${badge(reward, tone)}${failure === undefined ? undefined : markup`<span>failed: ${failure}</span>`}</div>${calls.map(({ agentName, tokens }) => markup`<div class="call"><div class="name">${agentName || 'model call'}</div>${tokenText(tokens)}</div>`)}`;
}

function oneStep({ step, rollouts }: StepSample): Markup {
  const groups = [...Map.groupBy(rollouts, (rollout) => rollout.groupId).values()];
  return markup`${groups.map((group) => markup`<div class="card" style="margin-top:10px"><h3>step ${step} · one group: the same task, compared</h3>${taskText(group[0]!.task)}${group.map(oneRollout)}</div>`)}`;
}

function oneRollout({ rolloutId, reward, rows }: RolloutSample): Markup {
  const calls = rows.reduce((sum, row) => sum + row.segments.length, 0);
  const tone = rows.flatMap((row) => row.segments).reduce((sum, segment) => sum + segment.advantage, 0);
  return markup`<div class="rollout"><div class="facts">${badge(reward, tone)}<span>${calls} ${calls === 1 ? 'call' : 'calls'} in ${rows.length} ${rows.length === 1 ? 'row' : 'rows'}</span><span class="path">${rolloutId}</span></div>${rows.map(oneRow)}</div>`;
}

function oneRow(row: RolloutSample['rows'][number]): Markup {
  const advantageAt = new Map(
    row.segments.flatMap(({ start, end, advantage }) =>
      Array.from({ length: end - start }, (_, offset) => [start + offset, advantage] as const),
    ),
  );
  const tokens = row.tokens.map((id, t): ViewToken => {
    const isSampled = row.lossMask[t] === 1;
    return {
      text: row.texts?.[t] ?? `${id} `,
      logprob: isSampled ? row.logprobs[t]! : undefined,
      advantage: isSampled ? advantageAt.get(t) : undefined,
    };
  });
  const names = row.segments.map(
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
