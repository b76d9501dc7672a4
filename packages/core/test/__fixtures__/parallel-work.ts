import fc from 'fast-check';
import { attributeNames, rewardAttributes, seededRandom, type Span } from '../../src/index.ts';

/** What an agent does: a call, a list of things one after the other, or sub-agents that all begin at once. */
export type Work =
  | { readonly call: string; readonly reward?: number }
  | { readonly sequence: readonly Work[] }
  | { readonly parallel: readonly (readonly Work[])[] };

/** The sum of the rewards of all calls. */
export function rewardOf(work: Work): number {
  if ('call' in work) return work.reward ?? 0;
  const parts = 'sequence' in work ? work.sequence : work.parallel.flat();
  return parts.reduce((sum, part) => sum + rewardOf(part), 0);
}

/**
 * The spans of one attempt that does the work, with calls of random lengths: they arrive in the order in which they end, as writers write
 * them. A sub-agent has a span of its own; the framework's clock is a day behind the gateway's.
 */
export function arrange(work: Work, seed: number): readonly Span[] {
  const random = seededRandom(seed, 'arrangement');
  const ended: Omit<Span, 'sequenceId'>[] = [];
  const add = (spanId: string, kind: Span['kind'], start: number, end: number, more: Partial<Span>): void => {
    ended.push({
      spanId, kind, name: kind, traceId: 't', rolloutId: 'rollout', attemptId: 'attempt', status: { code: 'ok' },
      startTimeMs: start, endTimeMs: end, attributes: {}, ...more,
    });
  };
  const day = 86_400_000;
  let agents = 0;
  /** Returns the time at which the work has ended. */
  const run = (part: Work, parentSpanId: string, start: number): number => {
    if ('call' in part) return runCall(part, parentSpanId, start);
    if ('sequence' in part) return part.sequence.reduce((time, each) => run(each, parentSpanId, time), start);
    return Math.max(start, ...part.parallel.map((branch) => runAgent(branch, parentSpanId, start)));
  };
  const runAgent = (branch: readonly Work[], parentSpanId: string, start: number): number => {
    const spanId = `agent-${++agents}`;
    const end = branch.reduce((time, each) => run(each, spanId, time), start);
    add(spanId, 'agent', start - day, end - day, { parentSpanId, attributes: { [attributeNames.agentNames]: ['helper'] } });
    return end;
  };
  const runCall = ({ call, reward }: { readonly call: string; readonly reward?: number }, parentSpanId: string, start: number): number => {
    const end = start + 2 + Math.floor(random() * 50);
    add(call, 'model_call', start, end + 1, {
      parentSpanId,
      attributes: {
        [attributeNames.source]: 'gateway', [attributeNames.policy]: 'main', [attributeNames.policyVersion]: 1,
        [attributeNames.finishReasons]: ['stop'], [attributeNames.timeToFirstTokenMs]: 1,
      },
      tokens: { prompt: Int32Array.of(1), response: Int32Array.of(2), logprobs: Float32Array.of(-1) },
    });
    if (reward !== undefined) {
      const attributes = rewardAttributes(reward, { scope: { span: call } });
      add(`reward of ${call}`, 'reward', end + 1 - day, end + 1 - day, { parentSpanId, attributes });
    }
    return end;
  };
  const end = run(work, 'root', 0);
  add('root', 'agent', -day, end - day, { attributes: { [attributeNames.agentNames]: ['main'] } });
  const time = (span: Omit<Span, 'sequenceId'>): number => span.endTimeMs + (span.kind === 'model_call' ? 0 : day);
  return ended
    .map((span) => ({ span, tie: random() }))
    .toSorted((a, b) => time(a.span) - time(b.span) || a.tie - b.tie)
    .map(({ span }, index): Span => ({ ...span, startTimeMs: span.startTimeMs + 2 * day, endTimeMs: span.endTimeMs + 2 * day, sequenceId: index + 1 }));
}

let names = 0;
const arbitraryCall: fc.Arbitrary<Work> = fc.option(fc.integer({ min: -4, max: 4 }), { nil: undefined })
  .map((reward) => ({ call: `call-${++names}`, ...(reward === undefined ? {} : { reward }) }));

/** Work of up to about ten calls. */
export const arbitraryWork: fc.Arbitrary<Work> = fc.letrec<{ work: Work }>((tie) => ({
  work: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    arbitraryCall,
    fc.array(tie('work'), { minLength: 1, maxLength: 3 }).map((sequence) => ({ sequence })),
    fc.array(fc.array(tie('work'), { minLength: 1, maxLength: 2 }), { minLength: 2, maxLength: 3 }).map((parallel) => ({ parallel })),
  ),
})).work;
