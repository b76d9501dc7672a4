import type { JSX } from 'preact';
import type { RunDetails } from '../../../src/api.ts';
import { promptSearches } from '../../../src/prompts/prompt-searches.ts';
import type { PromptCandidate, PromptSearch } from '../../../src/prompts/shapes.ts';
import { changes, useResource } from '../fetch.ts';
import { formatCount, formatNumber } from '../format.ts';
import { nameOf } from '../parts/candidate-name.ts';
import { Figure } from '../parts/figure.tsx';
import { Empty, Problem, Waiting } from '../parts/messages.tsx';
import { PromptFront, TaskTable } from '../parts/prompt-front.tsx';
import { TextDiff } from '../parts/text-diff.tsx';
import { Link, pageOf, place, setQuery } from '../router.tsx';

/** Shows the prompts that a run tried: their scores, what each changed, and on which tasks each is the best. */
export function PromptsPage({ details }: { readonly details: RunDetails }): JSX.Element {
  const isSearch = promptSearches.includes(details.config['algorithm.name']);
  const { data, error } = useResource<PromptSearch>(
    isSearch ? pageOf(['api', 'runs', details.id, 'prompts']) : undefined,
    changes.run.value,
  );
  if (!isSearch)
    return (
      <Empty>
        This run does not search prompts: algorithm gepa or apo does. The prompts that a run with weights used stay as
        they are in the code.
      </Empty>
    );
  if (error !== undefined) return <Problem title="The prompts cannot be shown" text={error} />;
  if (data === undefined) return <Waiting />;
  if (data.candidates.length === 0)
    return <Empty>No prompt has been scored yet: the first step runs the prompts as they stand in the code.</Empty>;
  return <Search details={details} search={data} />;
}

function Search({ details, search }: { readonly details: RunDetails; readonly search: PromptSearch }): JSX.Element {
  const { candidates, source, step } = search;
  const best = candidates.find(({ isBest }) => isBest) ?? candidates[0]!;
  const find = (id: string | null): PromptCandidate | undefined => candidates.find((each) => each.id === id);
  const to = find(place.value.query.get('to')) ?? best;
  const from = find(place.value.query.get('from')) ?? find(to.parents[0] ?? null) ?? candidates[0]!;
  return (
    <>
      <h1 class="reader">Prompts of {details.id}</h1>
      <div class="figures">
        <Figure name="candidates">{formatCount(candidates.length)}</Figure>
        <Figure name="score, as in the code → best" to={rolloutsOf(details, best.id)}>
          {formatNumber(candidates[0]!.score)} → {formatNumber(best.score)}
        </Figure>
        <Figure name="selection tasks">{formatCount(search.selection.length)}</Figure>
      </div>
      {source === 'checkpoint' ? (
        <p class="hint">The candidates are those of the checkpoint of step {step}: the run has no result yet.</p>
      ) : undefined}
      <CandidateTable details={details} candidates={candidates} from={from} to={to} />
      <section class="card">
        <h2>
          What {nameOf(to, candidates)} changes of {nameOf(from, candidates)}
        </h2>
        <Difference from={from} to={to} />
      </section>
      <PromptFront search={search} />
      <TaskTable run={details.id} hasStore={details.hasStore} search={search} />
    </>
  );
}

function rolloutsOf(details: RunDetails, id: string): string | undefined {
  return details.hasStore ? pageOf(['runs', details.id, 'rollouts'], { prompts: id }) : undefined;
}

function CandidateTable({
  details,
  candidates,
  from,
  to,
}: {
  readonly details: RunDetails;
  readonly candidates: readonly PromptCandidate[];
  readonly from: PromptCandidate;
  readonly to: PromptCandidate;
}): JSX.Element {
  const find = (id: string): PromptCandidate | undefined => candidates.find((each) => each.id === id);
  const pick = (field: 'from' | 'to', each: PromptCandidate): JSX.Element => (
    <input
      type="radio"
      name={field}
      aria-label={`${field === 'from' ? 'compare' : 'with'} ${nameOf(each, candidates)}`}
      checked={(field === 'from' ? from : to).id === each.id}
      onChange={() => setQuery({ from: from.id, to: to.id, [field]: each.id })}
    />
  );
  return (
    <section class="card scroll" tabIndex={0} role="group" aria-label="Candidates">
      <table>
        <thead>
          <tr>
            <th>compare</th>
            <th>with</th>
            <th>candidate</th>
            <th class="n">step</th>
            <th>made of</th>
            <th class="n">score</th>
            <th class="n">best on</th>
            <th class="n">alone</th>
            <th>rollouts</th>
            <th>id</th>
          </tr>
        </thead>
        <tbody>
          {candidates.map((each) => {
            const link = rolloutsOf(details, each.id);
            return (
              <tr key={each.id}>
                <td>{pick('from', each)}</td>
                <td>{pick('to', each)}</td>
                <td>
                  {nameOf(each, candidates)} {each.isBest ? <span class="badge good">★ best</span> : undefined}
                </td>
                <td class="n">{each.step}</td>
                <td>
                  {each.parents
                    .map((id) => find(id))
                    .map((parent) => (parent === undefined ? 'one that is gone' : nameOf(parent, candidates)))
                    .join(' and ') || '–'}
                </td>
                <td class="n">{formatNumber(each.score)}</td>
                <td class="n">{each.leads === undefined ? '–' : `${each.leads} tasks`}</td>
                <td class="n">{each.leadsAlone ?? '–'}</td>
                <td>{link === undefined ? '–' : <Link to={link}>show</Link>}</td>
                <td>
                  <code>{each.id.slice(0, 24)}</code>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function Difference({ from, to }: { readonly from: PromptCandidate; readonly to: PromptCandidate }): JSX.Element {
  const names = [...new Set([...Object.keys(from.texts), ...Object.keys(to.texts)])];
  return (
    <>
      {names.map((name) => (
        <div key={name} class="component">
          <h3>{name}</h3>
          <TextDiff before={from.texts[name]} after={to.texts[name]} />
        </div>
      ))}
    </>
  );
}
