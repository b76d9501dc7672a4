import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { TokenDetails, TokenSample } from '../../../src/api.ts';
import { useResource } from '../fetch.ts';
import { countOf, formatNumber, formatShare } from '../format.ts';
import { Empty, Problem, Waiting } from './messages.tsx';

type Coloring = 'logprob' | 'advantage';

/** Shows the training samples of a rollout token by token: what was sampled and how likely, what is trained on, and with which advantage. */
export function Tokens({ path }: { readonly path: string }): JSX.Element {
  const { data, error } = useResource<TokenDetails>(path);
  const [coloring, setColoring] = useState<Coloring>('logprob');
  if (error !== undefined) return <Problem title="The tokens cannot be shown" text={error} />;
  if (data === undefined) return <Waiting />;
  const { samples, notes, texts, advantages } = data;
  return (
    <div class="tokens-view">
      {notes.map((note) => (
        <p class="hint" key={note}>
          {note}
        </p>
      ))}
      {texts === 'excerpts' ? (
        <p class="hint">
          The texts are those of tokens that the run’s excerpts show; a token without one is its id in brackets.
        </p>
      ) : undefined}
      {texts === 'none' ? (
        <p class="hint">The run directory has no tokenizer (model/tokenizer.json), so tokens are shown by their ids.</p>
      ) : undefined}
      {samples.length === 0 ? (
        <Empty>No call of this rollout has tokens: none was answered by a policy, or none can be trained on.</Empty>
      ) : (
        <Legend coloring={coloring} setColoring={setColoring} hasAdvantages={advantages !== 'none'} />
      )}
      {samples.map((sample, index) => (
        <Sample
          key={index}
          sample={sample}
          number={index + 1}
          count={samples.length}
          coloring={advantages === 'none' ? 'logprob' : coloring}
        />
      ))}
    </div>
  );
}

function Legend({
  coloring,
  setColoring,
  hasAdvantages,
}: {
  readonly coloring: Coloring;
  readonly setColoring: (next: Coloring) => void;
  readonly hasAdvantages: boolean;
}): JSX.Element {
  return (
    <div class="head">
      <p class="hint tokens">
        {coloring === 'logprob' ? (
          <>
            Background: how unlikely the token was when it was sampled: <span class="token s0">likely</span>{' '}
            <span class="token s2">unlikely</span> <span class="token s4">rare</span>.
          </>
        ) : (
          <>
            Background: <span class="token a2">▲ made likelier</span> <span class="token d2">▼ made less likely</span>,
            the stronger the larger its advantage.
          </>
        )}{' '}
        <span class="masked">Pale</span>: mask 0, read and not trained on. Choose a token for its numbers.
      </p>
      {hasAdvantages ? (
        <fieldset class="choice">
          <legend class="reader">Background</legend>
          {(['logprob', 'advantage'] as const).map((name) => (
            <button key={name} type="button" aria-pressed={coloring === name} onClick={() => setColoring(name)}>
              {name === 'logprob' ? 'log-probability' : 'advantage'}
            </button>
          ))}
        </fieldset>
      ) : undefined}
    </div>
  );
}

function Sample({
  sample,
  number,
  count,
  coloring,
}: {
  readonly sample: TokenSample;
  readonly number: number;
  readonly count: number;
  readonly coloring: Coloring;
}): JSX.Element {
  const trained = sample.mask.flatMap((bit, index) => (bit === 1 ? [index] : []));
  const [chosen, setChosen] = useState(trained[0]);
  const move = (event: KeyboardEvent): void => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const at = trained.indexOf(chosen ?? -1);
    setChosen(trained[Math.min(trained.length - 1, Math.max(0, at + by))]);
  };
  const largest = Math.max(1e-9, ...(sample.advantages ?? []).map(Math.abs));
  const mean = trained.reduce((sum, index) => sum + sample.logprobs[index]!, 0) / (trained.length || 1);
  return (
    <section class="card">
      <h2>
        Sample {number} of {count}
      </h2>
      <p class="hint">
        {sample.agentNames.filter((name) => name !== '').join(', ') || 'an agent without a name'}
        {sample.policy === '' ? '' : `, policy ${sample.policy}`}, version {sample.policyVersions.join(' and ')}:{' '}
        {countOf(trained.length, 'token')} trained on of {sample.ids.length}, mean log-probability {formatNumber(mean)}
      </p>
      <p class="token-detail" role="status">
        {describeToken(sample, chosen)}
      </p>
      <div
        class="tokens"
        tabIndex={0}
        role="group"
        aria-label={`Tokens of sample ${number}: the arrows left and right move over those that are trained on`}
        onKeyDown={move}
      >
        {toPieces(sample).map((piece) =>
          piece.isMasked ? (
            <span class="masked" key={piece.start}>
              {piece.text}
            </span>
          ) : (
            <span
              key={piece.start}
              class={`token ${classOf(sample, piece.start, coloring, largest)}${piece.start === chosen ? ' chosen' : ''}`}
              onClick={() => setChosen(piece.start)}
            >
              {piece.text}
            </span>
          ),
        )}
      </div>
    </section>
  );
}

/** Joins neighbouring tokens that are not trained on into one piece, so that long prompts keep the page small. */
function toPieces({
  ids,
  texts,
  mask,
}: TokenSample): readonly { readonly start: number; readonly text: string; readonly isMasked: boolean }[] {
  const pieces: { start: number; text: string; isMasked: boolean }[] = [];
  for (const [index, id] of ids.entries()) {
    const isMasked = mask[index] !== 1;
    const text = visible(texts?.[index] ?? `${id} `);
    const last = pieces.at(-1);
    if (isMasked && last?.isMasked === true) last.text += text;
    else pieces.push({ start: index, text, isMasked });
  }
  return pieces;
}

function visible(text: string): string {
  return text === '' ? '∅' : text.replaceAll('\n', '⏎\n');
}

function classOf({ logprobs, advantages }: TokenSample, index: number, coloring: Coloring, largest: number): string {
  if (coloring === 'logprob') return `s${Math.min(4, Math.floor(-logprobs[index]! / 0.7))}`;
  const advantage = advantages?.[index] ?? 0;
  if (advantage === 0) return 's0';
  return `${advantage > 0 ? 'a' : 'd'}${Math.max(1, Math.ceil((Math.abs(advantage) / largest) * 3))}`;
}

function describeToken({ ids, texts, logprobs, advantages, mask }: TokenSample, index: number | undefined): string {
  if (index === undefined) return 'No token of this sample is trained on.';
  const advantage = advantages?.[index];
  return [
    `token ${index + 1} of ${ids.length}: ${JSON.stringify(texts?.[index] ?? String(ids[index]))} (id ${ids[index]})`,
    `log-probability ${formatNumber(logprobs[index]!)} (${formatShare(Math.exp(logprobs[index]!))})`,
    ...(advantage === undefined ? [] : [`advantage ${advantage < 0 ? '−' : '+'}${formatNumber(Math.abs(advantage))}`]),
    `mask ${mask[index]}`,
  ].join(' · ');
}
