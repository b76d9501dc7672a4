import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';

const answers = {
  better: ['good', '▲ better'],
  worse: ['bad', '▼ worse'],
  'cannot-tell': ['', '= can’t tell'],
} as const;

/** Says whether the run made the agent better, and by what that is known. */
export function VerdictCard({ details: { verdict } }: { readonly details: RunDetails }): JSX.Element | undefined {
  if (verdict === undefined) return undefined;
  const [className, text] = answers[verdict.answer];
  return (
    <section class="card">
      <div class="head">
        <h2>Verdict</h2>
        <span class={`badge ${className}`}>{text}</span>
      </div>
      <p>{verdict.sentence}</p>
      <p class="hint">
        It compares the kept step with the agent before training, on held-out tasks by which nothing was chosen, sampled
        as in training. The interval is over tasks, with 2.5 % on each side.
      </p>
    </section>
  );
}
