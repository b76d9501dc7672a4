import words from 'virtual:ailments';
import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { Link, pageOf } from '../router.tsx';

/** Ailments whose evidence is a certain kind of rollout or group, and where that is shown. */
const evidence: Readonly<
  Record<string, readonly [page: 'rollouts' | 'groups', query: Readonly<Record<string, string>>, name: string]>
> = {
  'flat-groups': ['groups', { signal: 'none' }, 'groups without signal'],
  'survivors-only': ['rollouts', { status: 'failed' }, 'failed rollouts'],
  'held-out-falls': ['rollouts', { mode: 'val' }, 'held-out rollouts'],
  'leaked-tasks': ['rollouts', { mode: 'val' }, 'held-out rollouts'],
  'length-growth': ['rollouts', { order: 'slowest' }, 'slowest rollouts'],
};

/** Lists the findings of a run, each with a link to its evidence. */
export function FindingList({ details }: { readonly details: RunDetails }): JSX.Element {
  return (
    <ul class="findings">
      {details.findings.map(({ code, step, message }) => {
        const [page, query, name] = evidence[code] ?? ['rollouts', {}, 'rollouts'];
        const steps = step === 0 ? {} : { steps: step === details.steps ? String(step) : `${step}-${details.steps}` };
        return (
          <li key={`${code}${message}`}>
            <p>
              <b>{code}</b>
              {words[code] === undefined ? '' : `: ${words[code]}`}
              {step === 0 ? '' : ` (since step ${step})`}
            </p>
            <p class="message">{message}.</p>
            {details.hasStore ? (
              <Link to={pageOf(['runs', details.id, page], { ...query, ...steps })}>
                Show the {name}
                {step === 0 ? '' : ' since then'}
              </Link>
            ) : undefined}
          </li>
        );
      })}
    </ul>
  );
}
