import type { RunDetails } from '../../../src/api.ts';
import { pageOf } from '../page-of.ts';

/** Where an ailment shows: a page of the run, the fields of its filter, what is there in words, and the metric whose curve shows it. */
interface Evidence {
  readonly page: 'rollouts' | 'groups' | 'samples';
  readonly query?: Readonly<Record<string, string>>;
  readonly name: string;
  readonly metric: string;
}

const heldOut = { page: 'rollouts', query: { mode: 'val' }, name: 'held-out rollouts', metric: 'validation' } as const;

const evidence: Readonly<Record<string, Evidence>> = {
  'flat-groups': {
    page: 'groups',
    query: { signal: 'none' },
    name: 'groups without signal',
    metric: 'zeroVarianceShare',
  },
  'survivors-only': { page: 'rollouts', query: { status: 'failed' }, name: 'failed rollouts', metric: 'failed' },
  'noise-rewards': {
    page: 'groups',
    query: { signal: 'some' },
    name: 'groups whose rewards differ',
    metric: 'answers.repeated',
  },
  'dead-updates': { page: 'samples', name: 'samples that were trained on', metric: 'movement' },
  'wild-updates': { page: 'samples', name: 'samples that were trained on', metric: 'gradientNorm' },
  'sampler-trainer-gap': {
    page: 'samples',
    name: 'samples, with the tokens of each rollout',
    metric: 'klSamplerTrainer',
  },
  'entropy-collapse': { page: 'groups', name: 'groups', metric: 'entropy' },
  'template-collapse': { page: 'groups', name: 'groups', metric: 'answers' },
  truncation: { page: 'samples', name: 'calls and how each ended', metric: 'truncatedShare' },
  'length-growth': { page: 'rollouts', query: { order: 'slowest' }, name: 'slowest rollouts', metric: 'tokensSampled' },
  'held-out-falls': heldOut,
  'leaked-tasks': heldOut,
  'control-learns': heldOut,
  'split-samples': { page: 'samples', name: 'samples, and where calls part', metric: 'splitCalls' },
};

/** A link to what shows something. */
export interface EvidenceLink {
  readonly to: string;
  readonly text: string;
}

/** Returns the links to the evidence of a finding: rollouts where they can be read here, and the curve. */
export function findEvidence(
  { id, steps, hasStore }: Pick<RunDetails, 'id' | 'steps' | 'hasStore'>,
  code: string,
  step: number,
): readonly EvidenceLink[] {
  const { page, query = {}, name, metric } = evidence[code] ?? { page: 'rollouts', name: 'rollouts', metric: '' };
  const since = step === 0 ? {} : { steps: step === steps ? String(step) : `${step}-${steps}` };
  const fields = page === 'samples' ? { ...query, step: String(steps) } : { ...query, ...since };
  const when = step === 0 ? '' : page === 'samples' ? ` of step ${steps}` : ' since then';
  return [
    ...(hasStore ? [{ to: pageOf(['runs', id, page], fields), text: `Show the ${name}${when}` }] : []),
    ...(metric === '' ? [] : [{ to: pageOf(['runs', id], { metric }), text: 'Show the curve' }]),
  ];
}
