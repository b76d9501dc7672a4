import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embedded } from '@agent-lightning/embedded';
import type { StepMetrics as RunMetrics } from '@agent-lightning/run';
import type { RolloutContext } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import { tinyModel } from '@agent-lightning/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCheckpoint, trainBytePairTokenizer } from '../../embedded/src/index.ts';
import { startFakeVllm, type FakeVllm, type FakeVllmOptions } from '../../gpu/test/fakes/fake-vllm.ts';
import { distill, Trainer, type DistillMetrics, type DistillOptions, type TrainerOptions } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { recordingLogger, readReport } from './run-folder.ts';
import { TaughtBackend } from './taught-backend.ts';

/** Few rollouts: they show what is done; that it learns shows distill.full.test.ts. */
const small = { samplesPerTask: 4, tasksPerStep: 4, learningRate: 30, maxGradientNorm: 0 } as const;
const rolloutCount = 16;

/** Shows its tokens otherwise: what a model of another family does. */
class OtherTokens extends TaughtBackend {
  override async tokenTexts(tokens: Int32Array): Promise<readonly string[]> {
    return (await super.tokenTexts(tokens)).map((text) => text.toUpperCase());
  }
}

/** Counts what it is asked. */
class CountingTeacher extends TaughtBackend {
  created = 0;
  /** Fails to create its first policy. */
  isBroken = false;
  readonly textsOf: number[] = [];

  override async createPolicy(
    ...spec: Parameters<TaughtBackend['createPolicy']>
  ): ReturnType<TaughtBackend['createPolicy']> {
    this.created += 1;
    if (this.isBroken) throw new Error('no memory');
    return await super.createPolicy(...spec);
  }

  override async tokenTexts(tokens: Int32Array): Promise<readonly string[]> {
    this.textsOf.push(...tokens);
    return await super.tokenTexts(tokens);
  }
}

let folder: string;
let vllm: FakeVllm | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'distill-'));
});
afterEach(async () => {
  await vllm?.close();
  vllm = undefined;
  await rm(folder, { recursive: true });
});

interface DistillTrainer {
  readonly trainer: Trainer<LetterTask>;
  readonly backend: BigramBackend;
  readonly runDirectory: string;
}

function createTrainer(
  options: Partial<DistillOptions> = {},
  given: Partial<TrainerOptions<LetterTask>> = {},
): DistillTrainer {
  const backend = new BigramBackend();
  const runDirectory = given.runDirectory ?? join(folder, 'run');
  const trainer = new Trainer<LetterTask>({
    rollout: answerLetter,
    backend,
    algorithm: distill({ teacher: new TaughtBackend(), ...small, ...options }),
    logger: recordingLogger(),
    ...(given.runDirectory === undefined ? { store: new MemoryStore() } : {}),
    progress: 'none',
    handleSignals: false,
    ...given,
    runDirectory,
  });
  return { trainer, backend, runDirectory };
}

async function readLines(runDirectory: string): Promise<readonly (RunMetrics & DistillMetrics)[]> {
  const lines = (await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as RunMetrics & DistillMetrics);
}

/** log p_T − log p_S of the letter that follows, for an untrained student. */
const markOfRight = Math.log(Math.exp(5) / (Math.exp(5) + 26)) + Math.log(27);
const markOfWrong = Math.log(1 / (Math.exp(5) + 26)) + Math.log(27);

async function askWithoutReward(task: LetterTask, context: RolloutContext): Promise<void> {
  await askLetter(task, context);
}

describe('distill', () => {
  it('marks each token by the teacher, needs no reward, and says how far the policy is from it', async () => {
    const { trainer, backend, runDirectory } = createTrainer({}, { rollout: askWithoutReward });
    await trainer.fit({ train: letterTasks, steps: 2 });
    const lines = await readLines(runDirectory);
    expect(lines.map(({ optimizerSteps, samples }) => [optimizerSteps, samples])).toEqual([
      [1, rolloutCount],
      [1, rolloutCount],
    ]);
    const [{ rows }] = backend.passes as [(typeof backend.passes)[number], ...typeof backend.passes];
    const marks = rows.map(({ tokens }) => (tokens[1] === tokens[0]! + 1 ? markOfRight : markOfWrong));
    for (const [index, { lossMask, advantages }] of rows.entries()) {
      expect([...lossMask]).toEqual([0, 1]);
      expect(advantages[1]).toBeCloseTo(marks[index]! / rolloutCount, 6);
    }
    expect(lines[0]!.klTeacher).toBeCloseTo(-marks.reduce((sum, mark) => sum + mark, 0) / rolloutCount, 5);
    const { charts } = (await readReport(join(runDirectory, 'report.html'))).reply('');
    const titles = charts.map(({ title }: { readonly title: string }) => title).join('\n');
    expect(titles).toContain('KL of the policy to the teacher');
  });

  it('adds the advantage of the reward where it has a weight', async () => {
    const { trainer, backend } = createTrainer({ rewardWeight: 10, samplesPerTask: 16 });
    await trainer.fit({ train: letterTasks, steps: 1 });
    const [{ rows }] = backend.passes as [(typeof backend.passes)[number], ...typeof backend.passes];
    // Far letters earn nothing, which is less than the mean of each task: they lose by the reward what near ones win.
    const rewards = rows.map(({ tokens, advantages }) => {
      const code = tokens[1] === 26 ? '_'.charCodeAt(0) - 97 : tokens[1]!; // the letter that is none
      const distance = Math.abs(code - tokens[0]! - 1);
      return { distance, reward: advantages[1]! * 64 - (distance === 0 ? markOfRight : markOfWrong) };
    });
    for (const { distance, reward } of rewards) if (distance > 5) expect(reward).toBeLessThan(0);
    expect(rewards.reduce((sum, { reward }) => sum + reward, 0)).toBeCloseTo(0, 3);
    expect(Math.max(...rewards.map(({ reward }) => reward))).toBeGreaterThan(5);
  });

  it('resumes to the same end after an interruption', async () => {
    const fit = { train: letterTasks, validation: letterTasks.slice(0, 2), steps: 3 };
    const whole = createTrainer({}, { runDirectory: join(folder, 'whole') });
    await whole.trainer.fit(fit);
    const controller = new AbortController();
    const cut = createTrainer(
      {},
      {
        runDirectory: join(folder, 'cut'),
        signal: controller.signal,
        hooks: {
          onStep: ({ step }) => {
            if (step === 2) controller.abort();
          },
        },
      },
    );
    expect(await cut.trainer.fit(fit)).toMatchObject({ stopReason: 'interrupted', steps: 2 });
    const again = createTrainer({}, { runDirectory: join(folder, 'cut') });
    await again.trainer.fit({ ...fit, resume: true });
    expect([...again.backend.policy!.logits]).toEqual([...whole.backend.policy!.logits]);
  });

  it('creates the policy of a teacher once, and asks for the text of each token once', async () => {
    const teacher = new CountingTeacher();
    const { trainer } = createTrainer({ teacher });
    await trainer.fit({ train: letterTasks, steps: 3 });
    expect(teacher.created).toBe(1);
    const askedInRun = teacher.textsOf.slice(2); // after the two of the check before it
    expect(askedInRun.length).toBeGreaterThan(2);
    expect(new Set(askedInRun).size).toBe(askedInRun.length);
  });

  it('asks a teacher again whose policy could not be created', async () => {
    const teacher = new CountingTeacher();
    const { check } = distill({ teacher });
    const host = { backend: new BigramBackend(), maxStaleness: 0, policies: [] };
    teacher.isBroken = true;
    await expect(check!(host)).rejects.toThrow('no memory');
    teacher.isBroken = false;
    await check!(host);
    expect(teacher.created).toBe(2);
  });

  it('says in a dry run how far the policy is from the teacher', async () => {
    const { trainer } = createTrainer();
    const report = await trainer.dev({ tasks: letterTasks.slice(0, 2), samples: 8 });
    expect(report).toMatchObject({ ok: true, samples: 16 });
    expect(report.findings.join()).toMatch(/KL to the teacher, the base model of taught: \d+\.\d+ nats a token/);
  });

  it('trains as its options say', async () => {
    const adam = { beta1: 0.5, beta2: 0.6, epsilon: 1e-6, weightDecay: 0.1, maxGradientNorm: 3 };
    const given = { minibatches: 2, passes: 2, warmupSteps: 3, learningRate: 8, samplesPerTask: 2, ...adam };
    const { trainer, backend } = createTrainer(given);
    await trainer.fit({ train: letterTasks, steps: 2 });
    expect(backend.passes.map(({ rows }) => rows.length)).toEqual(Array.from({ length: 8 }, () => 4));
    const rates = [2, 2, 2, 2, 4, 4, 4, 4]; // one and two quarters of the way
    expect(backend.adamSteps).toEqual(rates.map((learningRate) => ({ ...adam, learningRate })));
  });

  it.each(
    Object.entries({
      rewardWeight: -1,
      samplesPerTask: 0,
      tasksPerStep: 0.5,
      samples: 'call',
      tokenWeighting: 'call',
      learningRate: 0,
      startingLearningRate: 1,
      signalGate: 'no',
      passes: 0,
      minibatches: 0,
      warmupSteps: -1,
      maxGradientNorm: -1,
      beta1: 1,
      beta2: 2,
      epsilon: 0,
      weightDecay: -1,
      maxTokens: 0,
    } satisfies Record<Exclude<keyof DistillOptions, 'teacher'>, unknown>),
  )('refuses another value of %s: %j', (name, value) => {
    expect(() => distill({ teacher: new TaughtBackend(), [name]: value })).toThrow(new RegExp(`\\b${name}\\b`));
  });

  it('gives maxTokens to each call, and a temperature of 1', () => {
    const teacher = new TaughtBackend();
    expect(distill({ teacher, maxTokens: 7 }).sampling).toEqual({ temperature: 1, maxTokens: 7 });
    expect(distill({ teacher }).sampling).toEqual({ temperature: 1 });
  });

  it('refuses options that are none, and hides what may be a key', () => {
    const teacher = { baseUrl: 'http://127.0.0.1:1/v1', model: 'large', apiKey: 'SECRET' };
    expect(distill({ teacher }).config['teacher']).toEqual({ baseUrl: 'http://127.0.0.1:1/v1', model: 'large' });
    for (const baseUrl of ['ftp://x', 'http://user:SECRET@x/v1', 'http://x/v1?key=SECRET', 'http://x/v1#SECRET'])
      expect(() => distill({ teacher: { ...teacher, baseUrl } })).toThrow(/^distill\.teacher\.baseUrl (?!.*SECRET)/);
    expect(() => distill({} as never)).toThrow('distill.teacher');
    expect(() => distill({ teacher: { ...teacher, model: '' } })).toThrow('distill.teacher.model');
    expect(() => distill({ teacher, rewardWeight: 1, samplesPerTask: 1 })).toThrow('distill.samplesPerTask');
    expect(() => distill({ teacher, learningRate: 'auto', passes: 2 })).toThrow('distill.learningRate');
    expect(() => distill({ teacher, learningRate: 1, signalGate: true })).toThrow('distill.signalGate');
    expect(() => distill({ teacher, temperature: 0.5 } as never)).toThrow('temperature');
  });
});

describe('a teacher with another tokenizer', () => {
  it('is refused with a token that differs', async () => {
    const { trainer } = createTrainer({ teacher: new OtherTokens() });
    await expect(trainer.fit({ train: letterTasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringMatching(
        /the base model of taught, has another tokenizer than the policy of bigram.*token \d+ is "[a-z_]" to the policy and "[A-Z]" to it.*sft\({ teacher }\)/,
      ),
    });
  });

  it('is refused where it does not say what its tokens are', async () => {
    const teacher = Object.assign(new TaughtBackend(), { tokenTexts: undefined });
    const { trainer } = createTrainer({ teacher: teacher as unknown as TaughtBackend });
    await expect(trainer.fit({ train: letterTasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringMatching(/the teacher, the base model of taught, does not say what token \d+ is/),
    });
  });

  it('is refused before a run begins, where the policy has a chat template', async () => {
    const specification = { ...tinyModel.tokenizer };
    const own = trainBytePairTokenizer(specification);
    const other = trainBytePairTokenizer({ ...specification, texts: ['zzz yyy xxx zzz yyy www', 'qqq zzz'] });
    await createCheckpoint({ ...tinyModel, directory: join(folder, 'own'), tokenizer: own });
    await createCheckpoint({ ...tinyModel, directory: join(folder, 'other'), tokenizer: other });
    await using backend = embedded({ model: join(folder, 'own'), threads: 1 });
    await using same = embedded({ model: join(folder, 'own'), threads: 1 });
    await using teacher = embedded({ model: join(folder, 'other'), threads: 1 });
    const runDirectory = join(folder, 'refused');
    const { trainer } = createTrainer({ teacher }, { backend, runDirectory });
    await expect(trainer.fit({ train: letterTasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining('has another tokenizer than the policy'),
    });
    expect(await readdir(folder)).not.toContain('refused');
    const { check } = distill({ teacher: same });
    await check!({ backend, maxStaleness: 0, policies: [] });
  });
});

describe('a teacher on a vLLM server', () => {
  const right = (tokens: readonly number[]): readonly number[] =>
    tokens.slice(1).map((token, t) => (token === tokens[t]! + 1 ? -0.1 : -6));
  const textOf = (token: number): string => (token < 26 ? String.fromCharCode(97 + token) : '_');

  async function teach(
    options: FakeVllmOptions,
    given: Partial<TrainerOptions<LetterTask>> = {},
  ): Promise<DistillTrainer> {
    vllm = await startFakeVllm({ measurePrompt: right, textOf, model: 'large', ...options });
    return createTrainer({ teacher: { baseUrl: vllm.baseUrl, model: 'large', apiKey: 'key' } }, given);
  }

  it('marks tokens by prompt_logprobs, and is waited for while it is away', async () => {
    const { trainer, backend } = await teach(
      { apiKey: 'key' },
      {
        rollout: (task, context) => {
          vllm!.dropNext('/v1/completions'); // after the check before the run
          return answerLetter(task, context);
        },
      },
    );
    await trainer.fit({ train: letterTasks, steps: 1 });
    const [{ rows }] = backend.passes as [(typeof backend.passes)[number], ...typeof backend.passes];
    for (const { tokens, logprobs, advantages } of rows)
      expect(advantages[1]).toBeCloseTo((right([...tokens])[0]! - logprobs[1]!) / rolloutCount, 6);
    expect(vllm!.calls.at(-1)?.body).toMatchObject({ model: 'large', prompt_logprobs: 0, max_tokens: 1 });
  });

  it('holds up no run that is interrupted while it marks', async () => {
    const controller = new AbortController();
    const measurePrompt = (tokens: readonly number[]): readonly number[] => {
      if (vllm!.calls.length > 1) controller.abort(); // after the check before the run
      return right(tokens);
    };
    const { trainer } = await teach({ measurePrompt }, { signal: controller.signal });
    const interrupted = trainer.fit({ train: letterTasks, steps: 2 });
    expect(await interrupted).toMatchObject({ stopReason: 'interrupted', steps: 0 });
  });

  it('must be there before a run begins', async () => {
    const { trainer } = await teach({});
    await vllm!.lose();
    const refused = trainer.fit({ train: letterTasks, steps: 1 });
    await expect(refused).rejects.toThrow(/vLLM at http:.* does not answer/);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is named where it refuses the key, which is in no error', async () => {
    const { trainer } = await teach({ apiKey: 'another key' });
    const failed = trainer.fit({ train: letterTasks, steps: 1 });
    await expect(failed).rejects.toMatchObject({ code: 'unauthorized', message: expect.not.stringContaining('key"') });
    expect(await readdir(folder)).toEqual([]); // before a run begins, though the policy has no chat template
  });

  it('is refused where it shows a token otherwise', async () => {
    const { trainer } = await teach({ textOf: (token) => `<${token}>` });
    await expect(trainer.fit({ train: letterTasks, steps: 1 })).rejects.toMatchObject({
      message: expect.stringMatching(/the model large at 127\.0\.0\.1:\d+, has another tokenizer/),
    });
  });
});
