/** Reads the MuSiQue data set: its questions, its paragraphs as the library, and its metrics as the reward. */
import { ConfigurationError, seededRandom, type JsonValue } from '@agent-lightning/core';
import { findTaskFile, shuffled } from '@agent-lightning/example-kit';
import { streamTasks, type TaskRecord } from '@agent-lightning/trainer';

import type { Document } from './library.ts';
import type { QuestionSet, RagQuestion } from './question-set.ts';
import { isExactMatch, tokenF1 } from './reward.ts';
import { SearchIndex } from './search.ts';

/** Held-out questions that a validation asks. */
const validationSize = 500;

export interface MusiqueOptions {
  readonly validationSeed: number;
  /** The metric that is the reward: token-level F1 or exact match, the larger of the answer's and its aliases'. */
  readonly metric: string;
}

/**
 * Opens the data set: `musique_ans_v1.0_train.jsonl` and `musique_ans_v1.0_dev.jsonl`. The agent searches all paragraphs of both.
 * @throws {ConfigurationError} `option-invalid` when a file is not there, `tasks-invalid` when one is wrong
 */
export async function openMusique(directory: string, { validationSeed, metric }: MusiqueOptions): Promise<QuestionSet> {
  const score = metrics[metric];
  if (score === undefined) {
    const known = Object.keys(metrics).join(' or ');
    throw new ConfigurationError(`--metric is "${metric}"; it can be ${known}`, { code: 'option-invalid' });
  }
  const paragraphs = new Map<string, Document>();
  const train = await readQuestions(findTaskFile(directory, ['musique_ans_v1.0_train.jsonl']), paragraphs);
  const validation = await readQuestions(findTaskFile(directory, ['musique_ans_v1.0_dev.jsonl']), paragraphs);
  const index = new SearchIndex([...paragraphs.values()]);
  return {
    train,
    validation: shuffled(validation, seededRandom(validationSeed)).slice(0, validationSize),
    index,
    agentOptions: {
      instructions:
        'Answer the question from the library. Search several times: first for what you must know to go on. ' +
        'When you know the answer, write a last line "Answer: " with a few words only.',
      passages: 3,
      maxSteps: 8,
      maxTokens: 256,
    },
    reward: ({ gold, aliases = [] }, reply) =>
      Math.max(...[gold, ...aliases].map((text) => score(text, readLastAnswer(reply)))),
    [Symbol.dispose]: () => index[Symbol.dispose](),
  };
}

const metrics: Readonly<Record<string, (gold: string, predicted: string) => number>> = {
  f1: tokenF1,
  exact: (gold, predicted) => (isExactMatch(gold, predicted) ? 1 : 0),
};

/** Returns what stands behind the last `Answer:` at the start of a line; the whole reply where there is none. */
export function readLastAnswer(reply: string): string {
  return ([...reply.matchAll(/^Answer:(.*)$/gm)].at(-1)?.[1] ?? reply).trim();
}

interface ReadQuestion {
  readonly question: RagQuestion;
  readonly paragraphs: readonly Document[];
}

/** Reads the questions, and adds their paragraphs to those that were read before: most occur with several questions. */
async function readQuestions(file: string, paragraphs: Map<string, Document>): Promise<readonly RagQuestion[]> {
  const questions: RagQuestion[] = [];
  for await (const read of streamTasks(file, { parse: toQuestion })) {
    questions.push(read.question);
    for (const paragraph of read.paragraphs) paragraphs.set(paragraph.text, paragraph);
  }
  return questions;
}

function toQuestion({ id, question, answer, answer_aliases: aliases = [], paragraphs }: TaskRecord): ReadQuestion {
  if (typeof question !== 'string' || typeof answer !== 'string')
    throw new TypeError('question and answer must be texts');
  if (!Array.isArray(aliases) || !aliases.every((alias) => typeof alias === 'string'))
    throw new TypeError('answer_aliases must be an array of texts');
  if (!Array.isArray(paragraphs)) throw new TypeError('paragraphs must be an array');
  const kind = String(id).split('__')[0]!; // such as 2hop, or 3hop1
  return { question: { kind, question, gold: answer, aliases }, paragraphs: paragraphs.map(toDocument) };
}

function toDocument(paragraph: JsonValue): Document {
  const { title, paragraph_text: text } = paragraph as TaskRecord;
  if (typeof title !== 'string' || typeof text !== 'string')
    throw new TypeError('each paragraph must have a title and a paragraph_text');
  return { title, text: `${title}: ${text}` };
}
