/** The reward of MuSiQue-like tasks: 0.9 · F1 + 0.1 · format. */

export interface Answer {
  readonly text: string;
  /** Tells whether the reply was one line that begins with `Answer: `, as the agent was told. */
  readonly isFormatted: boolean;
}

/** The reward, in [0, 1]. */
export function answerReward(gold: string, reply: string): number {
  const { text, isFormatted } = readAnswer(reply);
  return 0.9 * tokenF1(gold, text) + (isFormatted ? 0.1 : 0);
}

/** The answer in a reply; the whole reply where it has not the format. */
export function readAnswer(reply: string): Answer {
  const text = /^Answer: (\S.*)$/.exec(reply)?.[1];
  return { text: text ?? reply, isFormatted: text !== undefined };
}

/**
 * Token-level F1 of two answers, in [0, 1]: the harmonic mean of precision and recall over the bags of their normalized words. 1 when
 * both have none, 0 when one has none.
 *
 * @source SQuAD 2.0 evaluation script (`compute_f1`), which MuSiQue's evaluation follows
 */
export function tokenF1(gold: string, predicted: string): number {
  const expected = normalizedWords(gold);
  const actual = normalizedWords(predicted);
  if (expected.length === 0 || actual.length === 0) return expected.length === actual.length ? 1 : 0;
  const left = [...expected];
  let common = 0;
  for (const word of actual) {
    const at = left.indexOf(word);
    if (at < 0) continue;
    left.splice(at, 1);
    common += 1;
  }
  return (2 * common) / (expected.length + actual.length);
}

/**
 * Tells whether two answers have the same normalized words in the same order.
 *
 * @source SQuAD 2.0 evaluation script (`compute_exact`), which MuSiQue's evaluation follows
 */
export function isExactMatch(gold: string, predicted: string): boolean {
  return normalizedWords(gold).join(' ') === normalizedWords(predicted).join(' ');
}

/** Lower case, without ASCII punctuation, then without articles, as SQuAD's script does it. */
export function normalizedWords(text: string): readonly string[] {
  return text
    .toLowerCase()
    .replaceAll(/[!-/:-@[-`{-~]/g, '')
    .replaceAll(/(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu, ' ')
    .split(/\s+/)
    .filter((word) => word !== '');
}
