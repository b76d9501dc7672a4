import { BackendError, ConfigurationError, type TrainingBackend, type TrainingSample } from '@agent-lightning/core';
import { readTexts, type MarkOptions, type Teacher, type TeacherMarks } from './teacher.ts';

/** Words, numbers, code, spaces and other scripts: what tokenizers cut in different ways. */
const probe = 'In 1987 the naïve answer was "42",\n\tdef add(a):\n    return a # 東京 Привет 🙂';

/** Two tokens that every vocabulary has: what a teacher is asked about where the policy's template takes no chat. */
const shortest: Int32Array = Int32Array.of(0, 1);

/** Holds the tokens of the policy against those of the teacher, whose log-probabilities mean nothing for other tokens. */
export class TokenizerCheck {
  readonly #backend: TrainingBackend;
  readonly #teacher: Teacher;
  /** Ids whose texts are the same on both sides. */
  readonly #same = new Set<number>();

  constructor(backend: TrainingBackend, teacher: Teacher) {
    this.#backend = backend;
    this.#teacher = teacher;
  }

  /** Tells the ids whose texts were not compared yet. */
  readonly isNew: MarkOptions['isWanted'] = (token) => !this.#same.has(token);

  /**
   * Has the teacher, which must be there, mark a text with all marks of the policy's chat template. Where the template takes no such chat, it marks two tokens: a wrong URL or
   * key shows before the run, and the tokens of the first step are compared.
   * @throws {ConfigurationError} `option-unsupported` when the teacher has another tokenizer, or the backend cannot tell its own
   */
  async probe(): Promise<void> {
    const { tokenTexts, name } = this.#backend;
    if (tokenTexts === undefined)
      throw new ConfigurationError(
        `the backend ${name} does not say what its tokens are (tokenTexts), so it cannot be checked that the teacher has the same ones, which distill needs; train with embedded, gpu or tinker`,
        { code: 'option-unsupported' },
      );
    const sample = toSample((await this.#encodeProbe()) ?? shortest);
    const asked = this.#teacher.mark([sample], { isWanted: this.isNew, awayTimeoutMs: 0 });
    const [marks] = await asked.catch((error: unknown) => {
      throw /vocab|ids of this model/i.test(String(error))
        ? this.#otherTokenizer(`it refuses them: ${String(error)}`, error)
        : error;
    });
    await this.require([sample], [marks!]);
  }

  /**
   * Compares the tokens of samples that were not compared before, each once.
   * @throws {ConfigurationError} `option-unsupported` for a token that differs, and for a teacher that does not say what its tokens are
   */
  async require(
    samples: readonly Pick<TrainingSample, 'tokens'>[],
    marks: readonly Pick<TeacherMarks, 'texts'>[],
  ): Promise<void> {
    const texts = new Map<number, string | undefined>();
    for (const [index, { tokens }] of samples.entries())
      // A server says nothing of a sample's first token, which another sample may have elsewhere.
      for (const [t, token] of tokens.entries())
        if (this.isNew(token) && (t > 0 || marks[index]!.texts[t] !== undefined))
          texts.set(token, texts.get(token) ?? marks[index]!.texts[t]);
    const own = await readTexts(this.#backend, [...texts.keys()]);
    for (const [token, theirs] of texts) {
      const mine = own.get(token);
      if (mine === undefined) throw this.#withoutText(token, `the policy of ${this.#backend.name}`);
      if (theirs === undefined) throw this.#withoutText(token, `the teacher, ${this.#teacher.name},`);
      if (!isSameText(mine, theirs))
        throw this.#otherTokenizer(
          `token ${token} is ${JSON.stringify(mine)} to the policy and ${JSON.stringify(theirs)} to it`,
        );
      this.#same.add(token);
    }
  }

  /** Returns the text as tokens; undefined where the policy's template takes no such chat: then two tokens are asked about. */
  async #encodeProbe(): Promise<Int32Array | undefined> {
    const { maxSampleTokens } = await this.#backend.capabilities();
    try {
      const encoded = await this.#backend.encodeAnswer?.({
        messages: [{ role: 'user', content: probe }],
        answer: { role: 'assistant', content: 'ok' },
      });
      if (encoded === undefined) return undefined;
      return Int32Array.from([...encoded.promptIds, ...encoded.responseIds].slice(0, maxSampleTokens - 1));
    } catch (error) {
      if (error instanceof BackendError && error.code === 'samples-invalid') return undefined;
      throw error;
    }
  }

  #withoutText(token: number, who: string): ConfigurationError {
    return new ConfigurationError(
      `${who} does not say what token ${token} is, so it cannot be checked that teacher and policy have the same tokenizer, which distill needs; take a teacher on a vLLM server with a tokenizer, or embedded, gpu or tinker`,
      { code: 'option-unsupported' },
    );
  }

  #otherTokenizer(why: string, cause?: unknown): ConfigurationError {
    return new ConfigurationError(
      `the teacher, ${this.#teacher.name}, has another tokenizer than the policy of ${this.#backend.name}, so it cannot mark the policy's tokens: ${why}. Take a teacher of the policy's own model family, or imitate the text of this one: sft({ teacher })`,
      { code: 'option-unsupported', cause },
    );
  }
}

/** Tells whether two programs show one token; part of a character is shown as U+FFFD, and a space at the front may be left out. */
function isSameText(mine: string, theirs: string): boolean {
  if (mine.includes('\uFFFD') || theirs.includes('\uFFFD')) return true;
  return plain(mine) === plain(theirs);
}

function plain(text: string): string {
  return text.replaceAll(/[▁Ġ]/g, ' ').trim();
}

function toSample(tokens: Int32Array): TrainingSample {
  const { length } = tokens;
  const lossMask = new Uint8Array(length).fill(1, 1);
  return { tokens, lossMask, logprobs: new Float32Array(length), advantages: new Float32Array(length) };
}
