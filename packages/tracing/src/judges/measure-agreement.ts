import { check } from '@agent-lightning/core';
import type { Judge, JudgedAnswer } from './judge.ts';

/** An answer whose worth is known. Further members, such as the comment of who gave the label, are not shown to the judge. */
export interface LabelledAnswer extends JudgedAnswer {
  /** The score that a person or a check gave, from 0 to 1. */
  readonly label: number;
}

/** A judge compared with labels. */
export interface Agreement {
  /** Answers that the judge scored. */
  readonly answers: number;
  /** Answers that it failed to score. */
  readonly failed: number;
  /**
   * The share of pairs of answers with different labels that the judge puts in the order of the labels; a pair to which it gives equal scores counts half.
   * 1 is perfect and 0.5 is chance; undefined when the labels of all scored answers are equal, or none was scored.
   */
  readonly ordered: number | undefined;
  /** The mean distance between score and label; undefined when no answer was scored. */
  readonly error: number | undefined;
}

/** Measures how well a judge agrees with labels, before it is trusted with rewards: training needs the order above all. @throws {ConfigurationError} `option-invalid` */
export async function measureAgreement(judge: Judge, labelled: readonly LabelledAnswer[]): Promise<Agreement> {
  if (!Array.isArray(labelled) || labelled.length === 0)
    throw check.optionInvalid('measureAgreement: labelled', labelled, 'an array of at least one answer');
  for (const { label } of labelled as readonly LabelledAnswer[])
    if (!(label >= 0 && label <= 1))
      throw check.optionInvalid('measureAgreement: label', label, 'a number from 0 to 1');
  const scored: { readonly score: number; readonly label: number }[] = [];
  // One after the other: the answers may be many, and servers limit requests at once.
  for (const { label, task, answer, reference } of labelled as readonly LabelledAnswer[]) {
    const judgement = await judge({ task, answer, ...(reference !== undefined && { reference }) });
    if (judgement !== undefined) scored.push({ score: judgement.score, label });
  }
  const orders = scored.flatMap((one, index) =>
    scored.slice(index + 1).flatMap((other) => {
      if (one.label === other.label) return [];
      const agreement = Math.sign(one.score - other.score) * Math.sign(one.label - other.label);
      return [(agreement + 1) / 2];
    }),
  );
  return {
    answers: scored.length,
    failed: labelled.length - scored.length,
    ordered: orders.length === 0 ? undefined : mean(orders),
    error: scored.length === 0 ? undefined : mean(scored.map(({ score, label }) => Math.abs(score - label))),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
