import { attributeNames, readReward, type Rollout, type Span } from '@agent-lightning/core';
import type { Witness } from './soak-agent.ts';
import { expectedStatus, type SoakTask } from './soak-tasks.ts';

const marks = /<mark-\d+>/g;

/** Says what is wrong with a rollout that ended: its status, a lost or a strange span, another's answer. */
export function checkRollout(rollout: Rollout, spans: readonly Span[], witness: Witness): readonly string[] {
  const task = rollout.input as SoakTask;
  const problems = witness.strange.map((answer) => `got another's answer: ${answer.slice(0, 200)}`);
  if (!expectedStatus[task.kind].some((status) => status === rollout.status))
    problems.push(`is ${rollout.status}: ${rollout.failure?.code} ${rollout.failure?.message}`);
  const strange = spans.flatMap((span) => findMarks(span)).find((mark) => mark !== task.mark);
  if (strange !== undefined) problems.push(`has a span of ${strange}`);
  const whole = spans.filter(isWholeCall).length;
  if (whole !== witness.answered)
    problems.push(`has ${whole} whole calls, and its agent read ${witness.answered} answers`);
  const rewards = spans.flatMap((span) => readReward(span)?.dimensions[0]?.value ?? []);
  const expected = rollout.status === 'succeeded' && witness.reward !== undefined ? [witness.reward] : [];
  if (rewards.join() !== expected.join())
    problems.push(`has the rewards [${rewards.join()}] instead of [${expected.join()}]`);
  return problems.map((problem) => `${rollout.rolloutId} (${task.kind}) ${problem}`);
}

function findMarks({ attributes }: Span): readonly string[] {
  return Object.values(attributes).flatMap((value) => (typeof value === 'string' ? (value.match(marks) ?? []) : []));
}

function isWholeCall({ kind, tokens, isOpen, attributes }: Span): boolean {
  const isUsable = attributes[attributeNames.untrainable] === undefined;
  return kind === 'model_call' && tokens !== undefined && isOpen !== true && isUsable;
}
