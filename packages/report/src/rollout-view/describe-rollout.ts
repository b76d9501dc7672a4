import { toTerminalText } from '@agent-lightning/core';
import type { RolloutView, ViewEntry } from './view-rollout.ts';

/** The most characters that are written of one text, and entries of one rollout: the first and the last of them. */
const shownCharacters = 2_000;
const shownEntries = 60;

/** Writes a rollout as indented lines for a terminal: task, messages, tool calls, errors, reward, and what can be trained on. */
export function describeRollout(view: RolloutView): string {
  return toTerminalText(
    [
      `one rollout as it went: ${view.rolloutId}`,
      labelled('task', typeof view.task === 'string' ? view.task : JSON.stringify(view.task)),
      ...describeEntries(view.entries),
      ...(view.console === undefined ? [] : [labelled('console', view.console)]),
      ...(view.failure === undefined ? [] : [labelled('failed', `${view.failure.code}: ${view.failure.message}`)]),
      labelled('reward', describeReward(view)),
    ].join('\n'),
  );
}

/** Writes a reward with its dimensions and the feedback, such as `0.5 (right 0.5, brevity 1): too long`. */
export function describeReward({ reward, rewards, feedback, isFailureReward }: RolloutView): string {
  if (reward === undefined) return 'none';
  const names = Object.entries(rewards);
  const all = names.length > 1 ? ` (${names.map(([name, value]) => `${name} ${value}`).join(', ')})` : '';
  return `${reward}${all}${isFailureReward ? ', which is that of a failure' : ''}${feedback === undefined ? '' : `: ${feedback}`}`;
}

function describeEntries(entries: readonly ViewEntry[]): readonly string[] {
  const half = shownEntries / 2;
  if (entries.length <= shownEntries) return entries.map(describeEntry);
  return [
    ...entries.slice(0, half).map(describeEntry),
    `  … ${entries.length - shownEntries} more …`,
    ...entries.slice(-half).map(describeEntry),
  ];
}

function describeEntry(entry: ViewEntry): string {
  switch (entry.type) {
    case 'message':
      return [
        labelled(
          nameOf(entry.role, entry.agentName),
          entry.text === '' && entry.toolCalls.length > 0 ? '' : entry.text || '(empty)',
        ),
        ...entry.toolCalls.map((call) => labelled('  calls', call)),
      ].join('\n');
    case 'call':
      return labelled('  training', entry.training);
    case 'tool':
      return labelled(`tool ${entry.name}`, `${entry.input} → ${entry.output}`);
    case 'error':
      return labelled(entry.name, entry.text);
    case 'emitted':
      return labelled(entry.name, entry.text);
  }
}

function nameOf(role: string, agentName: string): string {
  return role === 'assistant' && agentName !== '' ? `assistant (${agentName})` : role;
}

/** Writes `  label: text`, further lines below it. */
function labelled(label: string, text: string): string {
  return `  ${label}: ${shorten(text).replaceAll('\n', '\n      ')}`;
}

/** Returns the text, or its beginning and its end with the number of characters between them. */
function shorten(text: string): string {
  const missing = text.length - shownCharacters;
  if (missing <= 0) return text;
  const end = shownCharacters / 4;
  return `${text.slice(0, shownCharacters - end)}… [${missing} more characters] …${text.slice(-end)}`.toWellFormed();
}
