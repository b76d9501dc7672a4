import { attributeNames, check, LightningError } from '@agent-lightning/core';
import { runBeside } from '../adapter-kit/run-beside.ts';
import { emitMessage } from '../emit/emitters.ts';
import { runMarked } from '../emit/operation.ts';
import { currentRollout } from '../scope/rollout-scope.ts';
import type { Judgement } from './judge.ts';

/** An answer, and a fixed one to the same task that it is compared with; texts and JSON values. */
export interface ComparedAnswer {
  readonly task: unknown;
  readonly answer: unknown;
  /** The same for every answer to this task, such as what the agent answers today. */
  readonly reference: unknown;
}

/** Scores different answers to a task in one request, or from what is known. */
type ScoreAnswers = (task: unknown, answers: readonly string[]) => Promise<ReadonlyMap<string, Judgement>>;

/**
 * Makes the comparison of an answer with a fixed one: 0.5 where both are as good, above where it is better. Scores of all answers to a task have the same zero
 * then, whenever they were given.
 */
export function compareAgainst(
  name: string,
  score: ScoreAnswers,
  onFailure: () => void,
): (answer: ComparedAnswer) => Promise<Judgement | undefined> {
  const judgePair = async ({ task, answer, reference }: ComparedAnswer): Promise<Judgement> => {
    const [own, other] = [toText(answer), toText(reference)];
    // The reference itself is asked about too: what is wrong with it is what a search has to begin with.
    const scores = await askForPair(score, task, [...new Set([own, other])].sort());
    const { score: mine, feedback } = scores.get(own)!;
    return { score: 0.5 + (mine - scores.get(other)!.score) / 2, feedback };
  };
  return async (answer) => {
    check.knownOptions(`${name}.against`, answer, ['task', 'answer', 'reference']);
    if (answer.reference === undefined)
      throw check.optionInvalid(
        `${name}.against: reference`,
        undefined,
        'the answer that every answer to this task is compared with',
      );
    // As with a judge, an agent is not charged with an error of what scores it.
    const judged = async (): Promise<Judgement | undefined> => {
      try {
        return await judgePair(answer);
      } catch (error) {
        onFailure();
        emitMessage(`${name} gave no score: ${error instanceof Error ? error.message : String(error)}`);
        return undefined;
      }
    };
    return await runBeside([name], () => runMarked(name, { [attributeNames.isJudge]: true }, judged));
  };
}

/** Asks again where another rollout asked for the same pair and has ended before it had the answer. */
async function askForPair(
  score: ScoreAnswers,
  task: unknown,
  answers: readonly string[],
): Promise<ReadonlyMap<string, Judgement>> {
  try {
    return await score(task, answers);
  } catch (error) {
    const isOthers = LightningError.isInstance(error) && error.code === 'cancelled';
    if (!isOthers || currentRollout()?.signal.aborted === true) throw error;
    return await score(task, answers);
  }
}

function toText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}
