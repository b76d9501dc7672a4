import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openMusique, readLastAnswer } from './musique.ts';

let directory: string;

const paragraph = (idx: number, title: string, paragraph_text: string) => ({
  idx,
  title,
  paragraph_text,
  is_supporting: true,
});
const paris = paragraph(0, 'Marie Curie', 'Marie Curie was born in Warsaw and worked in Paris.');
const warsaw = paragraph(1, 'Warsaw', 'Warsaw lies on the Vistula.');
const train = {
  id: '2hop__1_2',
  paragraphs: [paris, warsaw],
  question: 'On which river lies the birthplace of Marie Curie?',
  question_decomposition: [{ id: 1, question: 'Marie Curie >> place of birth', answer: 'Warsaw' }],
  answer: 'Vistula',
  answer_aliases: ['Vistula River', 'Wisła'],
  answerable: true,
};
const dev = {
  ...train,
  id: '3hop1__3_4_5',
  paragraphs: [warsaw, paragraph(1, 'Vistula', 'The Vistula is 1047 km long.')],
  question: 'How long is the river at the birthplace of Marie Curie?',
  answer: '1047 km',
  answer_aliases: [],
};

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'musique-'));
  writeFileSync(join(directory, 'musique_ans_v1.0_train.jsonl'), `${JSON.stringify(train)}\n`);
  writeFileSync(join(directory, 'musique_ans_v1.0_dev.jsonl'), `${JSON.stringify(dev)}\n`);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function runExample(...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const program = ['--conditions=@agent-lightning/source', join(import.meta.dirname, 'main.ts')];
  return new Promise((resolve) => {
    execFile(process.execPath, [...program, ...args], (_error, stdout, stderr) => resolve({ stdout, stderr }));
  });
}

describe('the MuSiQue data set', () => {
  it('is read from its published files, each paragraph once', async () => {
    using questions = await openMusique(directory, { validationSeed: 0, metric: 'f1' });
    const { question, answer: gold, answer_aliases: aliases } = train;
    expect(questions.train).toEqual([{ kind: '2hop', question, gold, aliases }]);
    expect(questions.validation.map(({ kind }) => kind)).toEqual(['3hop1']);
    expect(questions.index.search('Warsaw', 10)).toEqual([
      'Warsaw: Warsaw lies on the Vistula.',
      'Marie Curie: Marie Curie was born in Warsaw and worked in Paris.',
    ]);
    expect(questions.index.search('how long is the Vistula', 1)).toEqual(['Vistula: The Vistula is 1047 km long.']);
  });

  it.each([
    ['f1', 'I searched.\nAnswer: the Vistula', 1],
    ['f1', 'Answer: Wisła', 1], // an alias
    ['f1', 'Answer: river Vistula Poland', 0.8], // precision 2/3, recall 2/2 of "Vistula River"
    ['exact', 'Answer: river Vistula Poland', 0],
    ['exact', 'Answer: The Vistula River.', 1],
    ['f1', 'Answer: Paris', 0],
    ['f1', '', 0],
  ])('scores by %s: %j is %d', async (metric, reply, expected) => {
    using questions = await openMusique(directory, { validationSeed: 0, metric });
    expect(questions.reward(questions.train[0]!, reply)).toBeCloseTo(expected, 12);
  });

  it('is rejected where a file is missing or wrong, or the metric is unknown', async () => {
    await expect(openMusique(tmpdir(), { validationSeed: 0, metric: 'f1' })).rejects.toThrow(/none of musique_ans_v1/);
    await expect(openMusique(directory, { validationSeed: 0, metric: 'f2' })).rejects.toThrow(
      /"f2"; it can be f1 or exact/,
    );
    const copy = mkdtempSync(join(directory, 'wrong-'));
    writeFileSync(
      join(copy, 'musique_ans_v1.0_train.jsonl'),
      `\n${JSON.stringify({ ...train, paragraphs: ['text'] })}`,
    );
    await expect(openMusique(copy, { validationSeed: 0, metric: 'f1' })).rejects.toThrow(
      /musique_ans_v1\.0_train\.jsonl, line 2: .*each paragraph must have a title/,
    );
  });

  it('finds the answer in a reply', () => {
    expect(readLastAnswer('Answer: a\nno\nAnswer: b ')).toBe('b');
    expect(readLastAnswer(' b')).toBe('b');
  });

  it('shows real answers and rewards in a dry run', async () => {
    const { stdout } = await runExample('--musique', directory, '--dry-run', '--json');
    expect(stdout).toContain("the data set's own answers: 1 of 1 earn 1");
    expect(stdout.match(/Marie Curie\?\n {2}said: ".*"\n {2}right: 1047 km · reward [01]\.\d{3}\n/g)).toHaveLength(4);
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({ rollouts: 4, succeeded: 4 });
  });

  it('is named by its flag where its metric is', async () => {
    const { stderr } = await runExample('--metric', 'exact');
    expect(stderr).toContain('--metric is for MuSiQue; give --musique too (option-invalid)');
  });
});
