import { countFailures } from '@agent-lightning/run';
import { markup, type Markup } from './markup.ts';
import type { LastStep } from './last-step.ts';
import type { ReportData } from './report-data.ts';
import { describeReward } from './rollout-view/describe-rollout.ts';
import type { RolloutView, ViewEntry } from './rollout-view/view-rollout.ts';

/** Counts the failed rollouts, of the run by code and of its last step by kind, at the beginning of the page; undefined when none failed. */
export function failureTable({ metrics, lastStep }: Pick<ReportData, 'metrics' | 'lastStep'>): Markup | undefined {
  const counts = new Map<string, number>();
  for (const { failures } of metrics)
    for (const [code, count] of Object.entries(failures)) counts.set(code, (counts.get(code) ?? 0) + count);
  const latest = countFailures(lastStep?.episodes ?? []);
  if (counts.size === 0 && latest.length === 0) return undefined;
  const rollouts = metrics.reduce((sum, each) => sum + each.rollouts, 0);
  const rows = [...counts].toSorted((a, b) => b[1] - a[1]);
  return markup`<h2>Failed training rollouts</h2><div class="card scroll">${
    rows.length === 0
      ? undefined
      : markup`<table><thead><tr><th>code</th><th class="n">rollouts</th><th class="n">share</th></tr></thead>
<tbody>${rows.map(([code, count]) => markup`<tr><td>${code}</td><td class="n">${count}</td><td class="n">${((count / rollouts) * 100).toFixed(1)} %</td></tr>`)}</tbody></table>`
  }${
    latest.length === 0
      ? undefined
      : markup`<p class="hint">In the last step:</p><table><thead><tr><th>caused by</th><th>code</th><th class="n">rollouts</th><th>such as</th></tr></thead>
<tbody>${latest.map(({ kind, code, count, example }) => markup`<tr><td>${kind}</td><td>${code}</td><td class="n">${count}</td><td>${example.rolloutId}: ${example.failure?.message ?? 'no message'}</td></tr>`)}</tbody></table>`
  }</div>`;
}

/** Shows every rollout of the last step, each folded: what the model said, tools, errors, reward. */
export function lastStepRollouts({ lastStep }: Pick<ReportData, 'lastStep'>): Markup | undefined {
  if (lastStep?.unread !== undefined)
    return markup`<h2>Every rollout of step ${lastStep.step}</h2><p class="hint">They are in the store, and could not be read: ${lastStep.unread}</p>`;
  if (lastStep === undefined || lastStep.views.length === 0) return undefined;
  return markup`<h2>Every rollout of step ${lastStep.step}</h2>${hint(lastStep)}${lastStep.views.map(oneRollout)}`;
}

function hint({ views }: LastStep): Markup {
  return markup`<p class="hint">${views.length} rollouts, in the order in which they were planned. Open one to read it.</p>`;
}

function oneRollout(view: RolloutView): Markup {
  const task = typeof view.task === 'string' ? view.task : JSON.stringify(view.task);
  const badge = view.status === 'succeeded' ? 'badge' : 'badge bad';
  return markup`<details class="card"><summary><span class="${badge}">${view.reward === undefined ? 'no reward' : `reward ${Number(view.reward.toFixed(3))}`}</span> ${view.status === 'succeeded' ? '' : `${view.status}: `}${cut(task, 160)} <span class="path">${view.rolloutId}</span></summary>
<div class="task">${cut(task)}</div>${view.entries.map(oneEntry)}${view.console === undefined ? undefined : said('console', view.console)}${view.failure === undefined ? undefined : said('failed', `${view.failure.code}: ${view.failure.message}`)}${said('reward', describeReward(view))}</details>`;
}

function oneEntry(entry: ViewEntry): Markup {
  switch (entry.type) {
    case 'message':
      return said(
        `${entry.role}${entry.role === 'assistant' && entry.agentName !== '' ? ` (${entry.agentName})` : ''}`,
        [entry.text, ...entry.toolCalls.map((call) => `calls ${call}`)].filter((line) => line !== '').join('\n'),
      );
    case 'call':
      return markup`<p class="hint">${entry.training}</p>`;
    case 'tool':
      return said(`tool ${entry.name}`, `${entry.input} → ${entry.output}`);
    case 'error':
    case 'emitted':
      return said(entry.name, entry.text);
  }
}

function said(name: string, text: string): Markup {
  return markup`<div class="call"><div class="name">${name}</div><div class="said">${cut(text)}</div></div>`;
}

/** The most characters of one text in the page; the store has the whole one. */
const shownCharacters = 8_000;

function cut(text: string, limit: number = shownCharacters): string {
  const missing = text.length - limit;
  return missing <= 0 ? text : `${text.slice(0, limit).toWellFormed()}… [${missing} more characters]`;
}
