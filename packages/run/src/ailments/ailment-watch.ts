import type { StepMetrics, ValidationMetrics } from '../metrics.ts';
import { commonAilments } from './common-ailments.ts';
import { addLine, addValidation, beginHistory, type Ailment, type RunFacts, type RunHistory } from './run-history.ts';

/** A finding as the user was told of it. */
export interface ToldFinding {
  readonly code: string;
  /** The step after which it was told; 0 before the first. */
  readonly step: number;
  readonly message: string;
}

/** The ailments of a run after a step. */
export interface Diagnosis {
  /** The codes of all that it has now. */
  readonly codes: readonly string[];
  /** The ones to tell: they are new, or have grown since they were told. */
  readonly told: readonly ToldFinding[];
}

/** An ailment that the user knows of is told again when its size is so many times the one that was told. */
const growth = 1.5;

/**
 * Looks for ailments after each step, and remembers what the user was told: each ailment once for each cause, and again when it has
 * grown. What it says depends on the lines of metrics alone, so that a resumed run which gives it the old lines goes on where it was.
 */
export class AilmentWatch {
  readonly #ailments: readonly Ailment<StepMetrics>[];
  readonly #told = new Map<string, ToldFinding & { readonly size: number }>();
  #history: RunHistory<StepMetrics>;

  /** @param own the ailments of the algorithm */
  constructor(own: readonly Ailment[], facts: RunFacts) {
    this.#ailments = [...commonAilments, ...own];
    this.#history = beginHistory(facts);
  }

  /** The newest sentence of each ailment and cause that was found so far, in the order in which they were found. */
  get findings(): readonly ToldFinding[] {
    return [...this.#told.values()].map(({ code, step, message }) => ({ code, step, message }));
  }

  /** Looks at what is known before the first step. @param validation of the run before training */
  begin(validation: ValidationMetrics | undefined): Diagnosis {
    if (validation !== undefined) this.#history = addValidation(this.#history, { step: 0, ...validation });
    return this.#diagnose(0);
  }

  /** Looks at the run after a step. A second line of the newest step takes the place of the first. */
  observe(line: StepMetrics): Diagnosis {
    this.#history = addLine(this.#history, line);
    return this.#diagnose(line.step);
  }

  #diagnose(step: number): Diagnosis {
    const codes: string[] = [];
    const told: ToldFinding[] = [];
    for (const ailment of this.#ailments) {
      const finding = ailment.detect(this.#history);
      if (finding === undefined) continue;
      const { code } = ailment;
      const { message, size, cause = '' } = finding;
      codes.push(code);
      const key = `${code} ${cause}`;
      const before = this.#told.get(key);
      if (before !== undefined && size < growth * before.size) continue;
      this.#told.set(key, { code, step: before?.step ?? step, message, size });
      told.push({ code, step, message });
    }
    return { codes, told };
  }
}
