import { createHash } from 'node:crypto';
import {
  attributeNames,
  check,
  LightningError,
  randomOrder,
  seededRandom,
  TraceError,
  type Span,
} from '@agent-lightning/core';
import { toAskModel, type AskModel, type TextModel } from '../models/text-model.ts';
import type { Judgement, JudgeStatistics } from './judge.ts';
import { compareAgainst } from './compare-against.ts';
import { readScores, writeComparison } from './comparison-request.ts';

export interface ComparisonOptions {
  /** The model that scores: a server, or a function around any model. Ask it at temperature 0 where it takes one. */
  readonly model: TextModel;
  /** What makes an answer good, in words, and what does not matter. */
  readonly rubric: string;
  /** Its name in messages. @default 'compare' */
  readonly name?: string;
  /** Seeds the order in which answers are shown. @default 0 */
  readonly seed?: number;
  /** The number of times that each batch is shown, each time in another order; the scores are averaged. @default 1 */
  readonly orders?: number;
  /** The most answers of one request, at least 3; more are compared in batches that share answers. @default 8 */
  readonly batch?: number;
  /** Returns the text of a rollout that is compared. @default what it emitted last by `emitObject` or `emitMessage`, else the last answer of a model */
  readonly show?: (rollout: ComparedRollout) => string;
}

/** A rollout of a group that is compared with the others; a `StoredRollout` of the trainer is one. */
export interface ComparedRollout {
  readonly task: unknown;
  /** The text of the last answer of a model, where one was captured. */
  readonly answer: string | undefined;
  readonly spans: readonly Span[];
}

/** Scores the rollouts of one task against each other. */
export interface Comparison {
  /**
   * Returns a score for each rollout, in their order; undefined for each where the judge failed: a part of a group is not comparable.
   * @throws {TraceError} `reward-missing` where some of the rollouts have no text @throws {ConfigurationError} `option-invalid` where none has one
   */
  (group: readonly ComparedRollout[]): Promise<readonly (Judgement | undefined)[]>;
  /**
   * Compares an answer with a fixed one to the same task: 0.5 where both are as good, 1 where it is much better, with the judge's reason. A rollout function may return it under any algorithm, searches over
   * prompts among them: the scores of all answers to a task compare, since all are measured from the same one. Undefined when the judge failed: then the rollout has no reward, and counts nowhere.
   */
  against(answer: Parameters<ReturnType<typeof compareAgainst>>[0]): Promise<Judgement | undefined>;
  readonly statistics: JudgeStatistics;
  /** The name of the model that scores, by which its price is found; undefined where a function answers. */
  readonly model?: string;
}

/** The groups of which a comparison keeps the scores, the newest. */
const mostKept = 1_000;

/** Times that the model is asked for one batch before the judge has failed. */
const mostTries = 2;

/** Answers that a further batch shares with those before it: the worst and the best so far. */
const shared = 2;

const optionNames: Readonly<Record<keyof ComparisonOptions, true>> = {
  model: true,
  rubric: true,
  name: true,
  seed: true,
  orders: true,
  batch: true,
  show: true,
};

/**
 * Makes a comparison: `new Trainer({ groupReward: compare({ model, rubric }), … })` gives each rollout of a group a score from 0 to 1 relative to the
 * others, which a model can tell more surely than how good one answer is by itself. Equal answers are one answer, and equal groups are compared once in
 * a process. Answers are shown in an order that follows from the seed and their texts, since models favour positions.
 * @throws {ConfigurationError} `option-invalid`
 * @source the relative scores of ART's RULER
 */
export function compare(options: ComparisonOptions): Comparison {
  check.knownOptions('compare', options, optionNames);
  const { rubric, name = 'compare', seed = 0, orders = 1, batch = 8, show } = options;
  if (typeof rubric !== 'string' || rubric.trim() === '')
    throw check.optionInvalid('compare.rubric', rubric, 'a text that says what makes an answer good');
  check.wholeNumber('compare.seed', seed, 0);
  check.wholeNumber('compare.orders', orders);
  check.wholeNumber('compare.batch', batch, shared + 1);
  if (show !== undefined && typeof show !== 'function')
    throw check.optionInvalid('compare.show', show, 'a function that returns a text');
  const counts = { asked: 0, repeated: 0, failed: 0 };
  const askModel = toAskModel('compare.model', options.model, { part: 'judge' });
  const ask: AskModel = (request) => {
    counts.asked += 1;
    return askModel(request);
  };
  const kept = new Map<string, Promise<ReadonlyMap<string, Judgement>>>();

  const score = (task: unknown, answers: readonly string[]): Promise<ReadonlyMap<string, Judgement>> => {
    const digest = createHash('sha256')
      .update(JSON.stringify([task, answers]))
      .digest('base64');
    const known = kept.get(digest);
    if (known !== undefined) {
      counts.repeated += 1;
      return known;
    }
    const asking = scoreAll(ask, { rubric, task, seed, orders, batch }, answers);
    kept.set(digest, asking);
    if (kept.size > mostKept) kept.delete(kept.keys().next().value!);
    asking.catch(() => kept.delete(digest));
    return asking;
  };

  return Object.assign(
    async (group: readonly ComparedRollout[]): Promise<readonly (Judgement | undefined)[]> => {
      const texts =
        show === undefined ? readTexts(name, group) : group.map((rollout) => checkText(name, show(rollout)));
      const tasks = new Set(group.map(({ task }) => JSON.stringify(task)));
      if (tasks.size > 1)
        throw check.optionInvalid(`${name}: a group`, `${tasks.size} tasks`, 'rollouts of one and the same task');
      try {
        const scores = await score(group[0]?.task, [...new Set(texts)].sort());
        return texts.map((text) => scores.get(text)!);
      } catch (error) {
        if (LightningError.isInstance(error) && error.code === 'limit-reached') throw error;
        counts.failed += 1;
        return group.map(() => undefined);
      }
    },
    {
      against: compareAgainst(name, score, () => {
        counts.failed += 1;
      }),
      statistics: counts as JudgeStatistics,
      ...(askModel.model !== undefined && { model: askModel.model }),
    },
  );
}

interface Rules {
  readonly rubric: string;
  readonly task: unknown;
  readonly seed: number;
  readonly orders: number;
  readonly batch: number;
}

/** Scores different answers to one task. What does not fit into one request is compared with the worst and the best of those before. */
async function scoreAll(
  ask: AskModel,
  rules: Rules,
  answers: readonly string[],
): Promise<ReadonlyMap<string, Judgement>> {
  const scores = new Map<string, Judgement>();
  const random = seededRandom(rules.seed, `compare/${answers.length}/${answers.join('\n')}`);
  const waiting = randomOrder(answers.length, random).map((index) => answers[index]!);
  while (waiting.length > 0) {
    const anchors = pickAnchors(scores);
    const fresh = waiting.splice(0, rules.batch - anchors.length);
    const scored = await scoreBatch(ask, rules, [...anchors, ...fresh], random);
    const toScale = alignScale(anchors, scores, scored);
    for (const answer of fresh) {
      const { score, feedback } = scored.get(answer)!;
      scores.set(answer, { score: toScale(score), feedback });
    }
  }
  return squeezeScores(scores);
}

/**
 * Returns the map from the scores of a batch to those before. A model scores a batch by what is in it: the worst and the best answer of those before,
 * which are in it too, say how its scale is shifted and stretched. Where it does not tell the two apart as they were, the scale is shifted alone.
 */
function alignScale(
  anchors: readonly string[],
  before: ReadonlyMap<string, Judgement>,
  now: ReadonlyMap<string, Judgement>,
): (score: number) => number {
  const [low = 0, high = low] = anchors.map((anchor) => before.get(anchor)!.score);
  const [lowNow = 0, highNow = lowNow] = anchors.map((anchor) => now.get(anchor)!.score);
  if (high > low && highNow > lowNow) return (score) => low + ((score - lowNow) * (high - low)) / (highNow - lowNow);
  const shift = (low + high - lowNow - highNow) / 2;
  return (score) => score + shift;
}

/** Returns scores from 0 to 1; where one is outside, all of them by the same straight line, which keeps their order. */
function squeezeScores(scores: ReadonlyMap<string, Judgement>): ReadonlyMap<string, Judgement> {
  const values = [...scores.values()].map(({ score }) => score);
  const [low, high] = [Math.min(0, ...values), Math.max(1, ...values)];
  return new Map(
    [...scores].map(([answer, { score, feedback }]) => [answer, { score: (score - low) / (high - low), feedback }]),
  );
}

/** Returns the worst and the best answer so far; none before the first batch. */
function pickAnchors(scores: ReadonlyMap<string, Judgement>): readonly string[] {
  const ranked = [...scores].sort(([, one], [, other]) => one.score - other.score).map(([answer]) => answer);
  return ranked.length === 0 ? [] : [...new Set([ranked[0]!, ranked.at(-1)!])];
}

/** Scores the answers of one batch, as the mean over several orders; the reason is that of the first. */
async function scoreBatch(
  ask: AskModel,
  { rubric, task, orders }: Rules,
  answers: readonly string[],
  random: () => number,
): Promise<ReadonlyMap<string, Judgement>> {
  const rounds: ReadonlyMap<string, Judgement>[] = [];
  for (let round = 0; round < orders; round += 1) {
    const shown = randomOrder(answers.length, random).map((index) => answers[index]!);
    const judgements = await askForScores(ask, writeComparison(rubric, task, shown), shown.length);
    rounds.push(new Map(shown.map((answer, index) => [answer, judgements[index]!])));
  }
  return new Map(
    answers.map((answer) => [
      answer,
      {
        score: mean(rounds.map((round) => round.get(answer)!.score)),
        feedback: rounds[0]!.get(answer)!.feedback,
      },
    ]),
  );
}

async function askForScores(ask: AskModel, request: string, count: number): Promise<readonly Judgement[]> {
  for (let tries = 1; ; tries += 1) {
    const text = await ask(request);
    const scores = readScores(text, count);
    if (scores !== undefined) return scores;
    if (tries === mostTries)
      throw check.optionInvalid(
        'the answer of a judge',
        text.slice(0, 500),
        `a <score> from 0 to 10 for each of ${count} answers`,
      );
  }
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function checkText(name: string, text: unknown): string {
  if (typeof text === 'string') return text;
  throw check.optionInvalid(`${name}.show`, text, 'a function that returns a text');
}

/**
 * Returns what each rollout of a group emitted last, else the last answer of a model.
 * @throws {TraceError} `reward-missing` when some have neither @throws {ConfigurationError} `option-invalid` when none has any
 */
function readTexts(name: string, group: readonly ComparedRollout[]): readonly string[] {
  const texts = group.map(findText);
  const without = texts.filter((text) => text === undefined).length;
  if (without === 0) return texts as readonly string[];
  if (without < group.length)
    throw new TraceError(
      `${name}: ${without} of the ${group.length} rollouts of a group have no captured answer and no emitted object or message, so the group is not compared; let the agent call emitObject(answer) before it ends, or give compare.show`,
      { code: 'reward-missing' },
    );
  throw check.optionInvalid(
    `${name}: a rollout`,
    'one without a captured answer and without emitted objects and messages',
    'one that calls emitObject(answer) before it ends, or give compare.show',
  );
}

function findText({ spans, answer }: ComparedRollout): string | undefined {
  const emitted = spans.findLast(
    ({ kind, name, attributes }) =>
      (kind === 'object' && attributes[attributeNames.promptName] === undefined) ||
      (kind === 'message' && name === 'message'),
  );
  const text =
    emitted?.attributes[attributeNames.objectJson] ?? emitted?.attributes[attributeNames.messageBody] ?? answer;
  return typeof text === 'string' ? text : undefined;
}
