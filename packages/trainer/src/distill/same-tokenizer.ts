import { BackendError, ConfigurationError, type TrainingBackend, type TrainingSample } from '@agent-lightning/core';
import type { Teacher, TeacherMarks } from './teacher.ts';

/** Words, numbers, code, spaces and other scripts: what tokenizers cut in different ways. */
const probe = 'In 1987 the naïve answer was "42",\n\tdef add(a):\n    return a # 東京 Привет 🙂';

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

  /**
   * Has the teacher mark a text with all marks of the policy's chat template.
   * @throws {ConfigurationError} `option-unsupported` when the teacher has another tokenizer, or the backend cannot tell its own
   */
  async probe(): Promise<void> {
    const { tokenTexts, name } = this.#backend;
    if (tokenTexts === undefined)
      throw new ConfigurationError(
        `the backend ${name} does not say what its tokens are (tokenTexts), so it cannot be checked that the teacher has the same ones, which distill needs; train with embedded, gpu or tinker`,
        { code: 'option-unsupported' },
      );
    const tokens = await this.#encodeProbe();
    if (tokens === undefined) return;
    const sample = toSample(tokens);
    const [marks] = await this.#teacher.mark([sample]).catch((error: unknown) => {
      throw /vocab|ids of this model/i.test(String(error))
        ? this.#otherTokenizer(`it refuses them: ${String(error)}`, error)
        : error;
    });
    await this.require(sample, marks!);
  }

  /** Compares the tokens of a sample that were not compared before. @throws {ConfigurationError} `option-unsupported` */
  async require({ tokens }: Pick<TrainingSample, 'tokens'>, { texts }: Pick<TeacherMarks, 'texts'>): Promise<void> {
    const own = await this.#backend.tokenTexts!(tokens);
    for (const [t, token] of tokens.entries()) {
      const [mine, theirs] = [own[t], texts[t]];
      if (this.#same.has(token) || mine === undefined || theirs === undefined) continue;
      if (!isSameText(mine, theirs))
        throw this.#otherTokenizer(
          `token ${token} is ${JSON.stringify(mine)} to the policy and ${JSON.stringify(theirs)} to it`,
        );
      this.#same.add(token);
    }
  }

  /** Returns the text as tokens; undefined where the policy's template takes no such chat: then the first step's own tokens are compared. */
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
