import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backendChecks, type JsonValue } from '@agent-lightning/core';
import { embedded, type EmbeddedBackend } from '@agent-lightning/embedded';
import { MemoryStore } from '@agent-lightning/store';
import { startModelServer, tinyModel, type ModelServer } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCheckpoint, trainBytePairTokenizer } from '../../embedded/src/index.ts';
import { sft, Trainer, type SftOptions, type TrainerOptions } from '../src/index.ts';
import { recordingLogger } from './run-folder.ts';
import { readLines } from './sft-run.ts';

interface Question {
  readonly question: string;
  readonly answer: string;
}

const questions: readonly Question[] = [
  { question: 'Which student is the oldest?', answer: 'SELECT name FROM students ORDER BY age DESC LIMIT 1;' },
  { question: 'How many products cost more than 10?', answer: 'SELECT count(*) FROM products WHERE price > 10;' },
];

let folder: string;
let backend: EmbeddedBackend;
let teacher: ModelServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sft-sources-'));
  const tokenizer = trainBytePairTokenizer(tinyModel.tokenizer);
  await createCheckpoint({ ...tinyModel, directory: join(folder, 'model'), tokenizer });
  backend = embedded({ model: join(folder, 'model'), threads: 1 });
  teacher = await startModelServer({
    respond: ({ messages }) => {
      const asked = JSON.stringify(messages);
      return questions.find(({ question }) => asked.includes(question))?.answer ?? 'I do not know';
    },
    apiKey: 'teacher-key',
  });
});
afterAll(async () => {
  await teacher.close();
  await backend.close();
  await rm(folder, { recursive: true });
});

/** Asks the policy as an agent built by hand does. */
async function ask(
  { question, answer }: Question,
  { llm }: { readonly llm: { readonly baseUrl: string; readonly apiKey: string; readonly model: string } },
): Promise<number> {
  const response = await fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${llm.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: llm.model, max_tokens: 24, messages: [{ role: 'user', content: question }] }),
  });
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  return body.choices[0]!.message.content === answer ? 1 : 0;
}

let runs = 0;
function createTrainer(
  options: SftOptions,
  given: Partial<TrainerOptions<Question>> = {},
): { readonly trainer: Trainer<Question>; readonly runDirectory: string } {
  runs += 1;
  const runDirectory = join(folder, `run-${runs}`);
  const trainer = new Trainer<Question>({
    rollout: ask,
    backend,
    algorithm: sft({ learningRate: 0.02, maxGradientNorm: 0, ...options }),
    logger: recordingLogger(),
    progress: 'none',
    handleSignals: false,
    runDirectory,
    ...given,
  });
  return { trainer, runDirectory };
}

describe('sft with a teacher', () => {
  it('trains the student on what the teacher says, encoded by its own template, and asks the student where it is measured', async () => {
    const store = new MemoryStore();
    const { trainer, runDirectory } = createTrainer(
      { teacher: { baseUrl: teacher.baseUrl, model: 'large', apiKey: 'teacher-key' }, tasksPerStep: 2, minReward: 1 },
      { store },
    );
    const asked = teacher.calls.length;
    const { validationBefore } = await trainer.fit({
      train: questions,
      validation: questions,
      steps: 3,
      validationEvery: 1,
    });
    expect(validationBefore).toBe(0); // the untrained student was asked
    const calls = teacher.calls.slice(asked);
    expect(calls).toHaveLength(6); // two tasks in each of three steps
    for (const { body } of calls) {
      const sent = body as Readonly<Record<string, JsonValue>>;
      expect(sent['model']).toBe('large');
      for (const field of ['return_token_ids', 'logprobs', 'top_k', 'min_p', 'repetition_penalty'])
        expect(sent).not.toHaveProperty(field);
    }
    const lines = await readLines(runDirectory);
    expect(
      lines.map(({ rolloutsKept, callsRendered, callsLeftOut }) => [rolloutsKept, callsRendered, callsLeftOut]),
    ).toEqual([
      [2, 2, 0],
      [2, 2, 0],
      [2, 2, 0],
    ]);
    expect(lines[2]!.loss!).toBeLessThan(lines[0]!.loss!);
    expect(JSON.stringify(lines)).not.toContain('teacher-key');
    await distillsFromStore(store);
  });

  /** The rollouts of the teacher's run, imitated again from the store. */
  async function distillsFromStore(store: MemoryStore): Promise<void> {
    const { trainer, runDirectory } = createTrainer({ from: { store }, rolloutsPerStep: 4, keep: 2 });
    const { stopReason, steps } = await trainer.fit({ train: [], validation: questions, epochs: 2 });
    expect([stopReason, steps]).toEqual(['completed', 2]);
    const lines = await readLines(runDirectory);
    // Each task was answered three times alike: each text counts once.
    expect(
      lines.map(({ rollouts, rolloutsKept, rolloutsLeftOut, callsRendered, epoch }) => ({
        rollouts,
        rolloutsKept,
        rolloutsLeftOut,
        callsRendered,
        epoch,
      })),
    ).toEqual([
      { rollouts: 0, rolloutsKept: 2, rolloutsLeftOut: { duplicate: 4 }, callsRendered: 6, epoch: 0 },
      { rollouts: 0, rolloutsKept: 2, rolloutsLeftOut: {}, callsRendered: 0, epoch: 1 },
    ]);
  }
});

describe('sft on stored rollouts', () => {
  it('takes the captured tokens of the same model as they are, and counts why others are left out', async () => {
    const sampled = createTrainer({ samplesPerTask: 2, tasksPerStep: 2, minReward: 0 });
    await sampled.trainer.fit({ train: questions, steps: 1 });
    const stored = createTrainer({ from: sampled.runDirectory });
    const { findings, ok } = await stored.trainer.dev({ tasks: questions.slice(0, 1), samples: 2 });
    expect([ok, findings.join('\n')]).toEqual([
      true,
      // Of the rollouts that are imitated alone.
      expect.stringMatching(
        /^1 stored rollouts would .*; left out: 3 cut off\n1 of their calls train as the tokens that were captured, 0 as/,
      ),
    ]);
    await stored.trainer.fit({ train: [] });
    const [line] = await readLines(stored.runDirectory);
    expect(line).toMatchObject({ callsRendered: 0, optimizerSteps: 1 });
    const { trainer } = createTrainer({ from: { store: sampled.runDirectory, modes: ['test'] } });
    await expect(trainer.fit({ train: [] })).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(/it has 4 of mode train/),
    });
    const none = createTrainer({ from: sampled.runDirectory, minReward: 5 });
    await expect(none.trainer.fit({ train: [] })).rejects.toMatchObject({
      message: expect.stringMatching(/of 4 none can \(.*below minReward\)/),
    });
    const given = createTrainer({ from: sampled.runDirectory });
    await expect(given.trainer.fit({ train: questions })).rejects.toMatchObject({
      message: expect.stringMatching(/fit: train.*empty array/),
    });
  });

  it('writes no secret of a URL, neither to the record of a run nor into an error', () => {
    const { teacher } = sft({
      teacher: { baseUrl: 'https://api.x/v1', model: 'm', apiKey: 'SECRET' },
    }).config;
    expect(teacher).toEqual({ baseUrl: 'https://api.x/v1', model: 'm' });
    for (const baseUrl of ['https://user:SECRET@api.x/v1', 'ftp://api.x/v1?key=SECRET', 'https://api.x/v1?key=SECRET'])
      expect(() => sft({ teacher: { baseUrl, model: 'm' } })).toThrow(/^sft\.teacher\.baseUrl (?!.*SECRET)/);
    expect(() => sft({ from: 'postgres://user:SECRET@host/runs' })).toThrow(/^sft\.from (?!.*SECRET)/);
  });

  it('refuses what it would ignore, and a place that is none', async () => {
    expect(() => sft({ from: 'a', teacher: { baseUrl: 'http://a', model: 'b' } })).toThrow('sft.teacher');
    expect(() => sft({ from: 'a', samplesPerTask: 2 })).toThrow('sft.samplesPerTask');
    expect(() => sft({ rolloutsPerStep: 2 })).toThrow('sft.rolloutsPerStep');
    expect(() => sft({ from: { store: 'a', modes: ['live' as 'test'] } })).toThrow('sft.from.modes');
    for (const runId of [42, ''])
      expect(() => sft({ from: { store: 'a', runId: runId as string } })).toThrow('sft.from.runId');
    expect(() => sft({ tokenWeighting: 'bogus' as 'token' })).toThrow('tokenWeighting is "bogus"');
    for (const none of [{ from: null }, { teacher: null }])
      expect(() => sft(none as never)).toThrow(/^sft\.(from|teacher)/);
    expect(() => sft({ teacher: { baseUrl: 'ftp://a', model: 'b' } })).toThrow('sft.teacher.baseUrl');
    await expect(createTrainer({ from: join(folder, 'nowhere') }).trainer.fit({ train: [] })).rejects.toMatchObject({
      code: 'option-invalid',
    });
    const { encodeAnswer: _, ...bare } = {
      ...backend,
      name: 'bare',
      capabilities: () => backend.capabilities(),
      createPolicy: backendChecks.policySpec,
    };
    const { trainer } = createTrainer({ from: folder }, { backend: bare as never });
    await expect(trainer.fit({ train: [] })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringMatching(/bare cannot encode/),
    });
  });
});
