/** The model that marks the policy's tokens: behind a vLLM server, or the base model of a backend. */
import type { TrainablePolicy, TrainingBackend, TrainingSample } from '@agent-lightning/core';
import { createVllmScorer } from '@agent-lightning/gpu';
import { createPolicy } from '../grpo/policies/create-policy.ts';
import { isBackend, type DistillOptions } from './distill-options.ts';

/** A sample's tokens as the teacher sees them, shape (T,) each. */
export interface TeacherMarks {
  /** Nats; not read where the sample's `lossMask` is 0. */
  readonly logprobs: ArrayLike<number>;
  /** The text of each token by the teacher's tokenizer; undefined where it is not known. */
  readonly texts: readonly (string | undefined)[];
}

/** Options of one call of {@link Teacher.mark}. */
export interface MarkOptions {
  /** Tells which tokens' texts are wanted; a backend is not asked for others. */
  readonly isWanted: (token: number) => boolean;
  /** Ends the wait for a server. */
  readonly signal?: AbortSignal;
  /** How long a server that does not answer is asked again, in milliseconds. @default five minutes */
  readonly awayTimeoutMs?: number;
}

/** A model that says how likely it finds given tokens. */
export interface Teacher {
  /** Names it in messages. */
  readonly name: string;
  /**
   * Returns the marks of each sample.
   * @throws {BackendError} `backend-failed`, `unauthorized`, `samples-invalid`
   * @throws {TimeoutError} `cancelled` where the signal ended the wait
   */
  mark(samples: readonly TrainingSample[], options: MarkOptions): Promise<readonly TeacherMarks[]>;
}

/** The requests that a server gets at once; it batches them itself. */
const requestsAtOnce = 16;

/** Opens the teacher, once for all uses: a backend makes a policy for it. Nothing is asked yet. */
export function openTeacher(teacher: DistillOptions['teacher']): Teacher {
  return isBackend(teacher) ? backendTeacher(teacher) : serverTeacher(teacher);
}

function serverTeacher(server: Exclude<DistillOptions['teacher'], TrainingBackend>): Teacher {
  const score = createVllmScorer(server);
  return {
    name: `the model ${server.model} at ${new URL(server.baseUrl).host}`,
    mark: async (samples, options) => {
      const marks: TeacherMarks[] = [];
      for (let first = 0; first < samples.length; first += requestsAtOnce) {
        const scored = await Promise.allSettled(
          samples.slice(first, first + requestsAtOnce).map(({ tokens }) => score(tokens, options)),
        );
        for (const each of scored) {
          if (each.status === 'rejected') throw each.reason;
          marks.push(each.value);
        }
      }
      return marks;
    },
  };
}

/** Asks a policy that starts from the backend's base model and is never trained. */
function backendTeacher(backend: TrainingBackend): Teacher {
  let policy: Promise<TrainablePolicy> | undefined;
  return {
    name: `the base model of ${backend.name}`,
    mark: async (samples, { isWanted }) => {
      policy ??= createPolicy(backend, 'teacher', 0).catch((error: unknown) => {
        policy = undefined; // the next one may succeed
        throw error;
      });
      const logprobs = await (await policy).forward(samples);
      const ids = [...new Set(samples.flatMap(({ tokens }) => [...tokens].filter(isWanted)))];
      const texts = await readTexts(backend, ids);
      return logprobs.map((own, index) => ({
        logprobs: own,
        texts: Array.from(samples[index]!.tokens, (token) => texts.get(token)),
      }));
    },
  };
}

/** Returns the texts of tokens by their id; none for a backend that does not say them. */
export async function readTexts(
  backend: TrainingBackend,
  ids: readonly number[],
): Promise<ReadonlyMap<number, string | undefined>> {
  if (ids.length === 0) return new Map();
  const texts = await backend.tokenTexts?.(Int32Array.from(ids));
  return new Map(ids.map((id, index) => [id, texts?.[index]]));
}
