import type { JSX } from 'preact';
import type { RolloutTree, TreeCall } from '../../../src/samples/shapes.ts';
import { useResource } from '../fetch.ts';
import { countOf, formatCount, formatNumber } from '../format.ts';
import { Empty, Problem, Waiting } from './messages.tsx';
import { Remarks } from './remarks.tsx';

/** Shows how the model calls of a rollout became training samples: the tree of their prefixes, and what was left out. */
export function CallTree({ path }: { readonly path: string }): JSX.Element {
  const { data, error } = useResource<RolloutTree>(path);
  if (error !== undefined) return <Problem title="The samples cannot be shown" text={error} />;
  if (data === undefined) return <Waiting />;
  const { calls, samples, leftOut, remarks, layout, untrainable } = data;
  return (
    <div class="call-tree">
      {leftOut === undefined ? undefined : (
        <p class="badge warn wide">! Nothing of this rollout was trained on: {leftOut}.</p>
      )}
      <Remarks remarks={remarks} />
      {calls.length === 0 ? (
        <Empty>No call of this rollout has tokens: none was answered by a policy, or none can be trained on.</Empty>
      ) : (
        <section class="card">
          <h2>
            {countOf(calls.length, 'call')} → {countOf(samples.length, 'sample')}
          </h2>
          <p class="hint">
            {layout === 'transition'
              ? 'Each call is a sample of its own.'
              : 'A call stands below the one that it continues token for token; a path from the top to a leaf is one sample.'}
          </p>
          <ol class="tree">
            {calls.map((call) => (
              <CallRow key={call.index} call={call} />
            ))}
          </ol>
        </section>
      )}
      {samples.length === 0 ? undefined : <SampleTable samples={samples} />}
      {untrainable.length === 0 ? undefined : (
        <section class="card">
          <h2>Calls that were left out</h2>
          <ul>
            {untrainable.map(({ spanId, agentName, reason }) => (
              <li key={spanId}>
                {agentName === '' ? 'a call' : `a call of ${agentName}`}: {reason}
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function CallRow({ call }: { readonly call: TreeCall }): JSX.Element {
  const { index, agentName, policyVersion, promptTokens, responseTokens, parent, depth, sample } = call;
  return (
    <li style={{ marginLeft: `${Math.min(depth, 10) * 22}px` }}>
      <p class="call-head">
        <span aria-hidden="true">{parent === undefined ? '●' : '└'}</span> <b>call {index + 1}</b>
        {agentName === '' ? '' : ` of ${agentName}`} <span class="badge">sample {sample + 1}</span>
        <span class="hint">
          {' '}
          {parent === undefined ? 'begins a branch' : `continues call ${parent + 1}`} · version {policyVersion} ·{' '}
          {formatCount(promptTokens)} → {formatCount(responseTokens)} tokens · ended by {call.finishReason}
          {call.reward === undefined ? '' : ` · own reward ${formatNumber(call.reward)}`}
          {call.credit === undefined ? '' : ` · credit ${formatNumber(call.credit)}`}
        </span>
        <Advantage value={call.advantage} />
      </p>
      {call.answer === undefined ? undefined : <pre class="answer">{call.answer === '' ? '∅' : call.answer}</pre>}
      <Parting call={call} />
    </li>
  );
}

function Advantage({ value }: { readonly value: number | undefined }): JSX.Element | undefined {
  if (value === undefined) return undefined;
  return (
    <span class={`badge ${value > 0 ? 'good' : value < 0 ? 'bad' : ''}`}>
      {value > 0 ? '▲' : value < 0 ? '▼' : '='} advantage {formatNumber(value)}
    </span>
  );
}

/** Says why a call is no continuation of an earlier one, which is what makes two samples of them. */
function Parting({ call: { parts } }: { readonly call: TreeCall }): JSX.Element | undefined {
  if (parts === undefined) return undefined;
  const { call, shared, of, before, after, because } = parts;
  if (because !== undefined)
    return (
      <p class="hint">
        Its prompt continues call {call + 1}, which was sampled{' '}
        {because === 'policy' ? 'by another policy' : 'at another temperature'}: they are samples of their own.
      </p>
    );
  return (
    <p class="hint">
      Shares {formatCount(shared)} of the {formatCount(of)} tokens of call {call + 1}, and then parts from it
      {before === undefined ? (
        '.'
      ) : (
        <>
          : <code>{before === '' ? '(end)' : before}</code> there, <code>{after === '' ? '(end)' : after}</code> here.
        </>
      )}
    </p>
  );
}

function SampleTable({ samples }: { readonly samples: RolloutTree['samples'] }): JSX.Element {
  const list = (calls: readonly number[]): string => calls.map((call) => call + 1).join(', ') || '–';
  return (
    <section class="card">
      <h2>Samples</h2>
      <table class="narrow">
        <thead>
          <tr>
            <th>sample</th>
            <th>calls</th>
            <th>trained here</th>
            <th class="n">trained tokens</th>
            <th class="n">all tokens</th>
          </tr>
        </thead>
        <tbody>
          {samples.map((sample, index) => (
            <tr key={index}>
              <td>{index + 1}</td>
              <td>{list(sample.calls)}</td>
              <td>{list(sample.trainedCalls)}</td>
              <td class="n">{formatCount(sample.trainedTokens)}</td>
              <td class="n">{formatCount(sample.tokens)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
