import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { TokenDetails, TokenSample } from '../../../src/api.ts';
import { useResource } from '../fetch.ts';
import { countOf, formatNumber, formatShare } from '../format.ts';
import { Empty, Problem, Waiting } from './messages.tsx';
import { Remarks } from './remarks.tsx';

/** What the background of a token shows. */
const colorings = { logprob: 'log-probability', advantage: 'advantage', ratio: 'ratio' } as const;
type Coloring = keyof typeof colorings;

/** Shows the training samples of a rollout token by token: what was sampled and how likely, what is trained on, and with which advantage. */
export function Tokens({ path }: { readonly path: string }): JSX.Element {
  const { data, error } = useResource<TokenDetails>(path);
  const [coloring, setColoring] = useState<Coloring>('logprob');
  if (error !== undefined) return <Problem title="The tokens cannot be shown" text={error} />;
  if (data === undefined) return <Waiting />;
  const { samples, remarks, texts, advantages } = data;
  const choices = (Object.keys(colorings) as Coloring[]).filter(
    (name) =>
      name === 'logprob' ||
      (name === 'advantage' ? advantages !== 'none' : samples.some((sample) => sample.trainerLogprobs !== undefined)),
  );
  const shown = choices.includes(coloring) ? coloring : 'logprob';
  return (
    <div class="tokens-view">
      <Remarks remarks={remarks} />
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
        <Legend coloring={shown} setColoring={setColoring} choices={choices} />
      )}
      {samples.map((sample, index) => (
        <Sample key={index} sample={sample} number={index + 1} count={samples.length} coloring={shown} />
      ))}
    </div>
  );
}

function Legend({
  coloring,
  setColoring,
  choices,
}: {
  readonly coloring: Coloring;
  readonly setColoring: (next: Coloring) => void;
  readonly choices: readonly Coloring[];
}): JSX.Element {
  return (
    <div class="head">
      <p class="hint tokens">
        {coloring === 'logprob' ? (
          <>
            Background: how unlikely the token was when it was sampled: <span class="token s0">likely</span>{' '}
            <span class="token s2">unlikely</span> <span class="token s4">rare</span>.
          </>
        ) : coloring === 'ratio' ? (
          <>
            Background: the importance ratio, the trainer’s probability over the sampler’s when the sample was first
            trained on: <span class="token a2">▲ above 1</span> <span class="token d2">▼ below 1</span>, the stronger
            the further from 1.
          </>
        ) : (
          <>
            Background: <span class="token a2">▲ made likelier</span> <span class="token d2">▼ made less likely</span>,
            the stronger the larger its advantage.
          </>
        )}{' '}
        <span class="masked">Pale</span>: mask 0, read and not trained on. Choose a token for its numbers.
      </p>
      {choices.length > 1 ? (
        <fieldset class="choice">
          <legend class="reader">Background</legend>
          {choices.map((name) => (
            <button key={name} type="button" aria-pressed={coloring === name} onClick={() => setColoring(name)}>
              {colorings[name]}
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
        {describeRatios(sample, trained)}
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

/** Describes how far trainer and sampler are apart in a sample. */
function describeRatios(sample: TokenSample, trained: readonly number[]): string {
  const ratios = trained.flatMap((index) => ratioOf(sample, index) ?? []);
  if (ratios.length === 0) return '';
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return `, importance ratio ${low.toFixed(3)} to ${high.toFixed(3)}`;
}

/** Returns the importance ratio of a token that is trained on: the trainer's probability over the sampler's. */
function ratioOf({ logprobs, trainerLogprobs, mask }: TokenSample, index: number): number | undefined {
  if (trainerLogprobs === undefined || mask[index] !== 1) return undefined;
  return Math.exp(trainerLogprobs[index]! - logprobs[index]!);
}

/** Returns a step from 1 to 3 for the distance of a ratio from 1, as a logarithm; 0 for one that differs by arithmetic alone. */
function levelOfRatio(ratio: number): number {
  const distance = Math.abs(Math.log(ratio));
  return distance < 0.01 ? 0 : distance < 0.1 ? 1 : distance < 0.5 ? 2 : 3;
}

function classOf(sample: TokenSample, index: number, coloring: Coloring, largest: number): string {
  const { logprobs, advantages } = sample;
  if (coloring === 'logprob') return `s${Math.min(4, Math.floor(-logprobs[index]! / 0.7))}`;
  if (coloring === 'ratio') {
    const ratio = ratioOf(sample, index) ?? 1;
    const level = levelOfRatio(ratio);
    return level === 0 ? 's0' : `${ratio > 1 ? 'a' : 'd'}${level}`;
  }
  const advantage = advantages?.[index] ?? 0;
  if (advantage === 0) return 's0';
  return `${advantage > 0 ? 'a' : 'd'}${Math.max(1, Math.ceil((Math.abs(advantage) / largest) * 3))}`;
}

function describeToken(sample: TokenSample, index: number | undefined): string {
  const { ids, texts, logprobs, trainerLogprobs, advantages, mask } = sample;
  if (index === undefined) return 'No token of this sample is trained on.';
  const advantage = advantages?.[index];
  return [
    `token ${index + 1} of ${ids.length}: ${JSON.stringify(texts?.[index] ?? String(ids[index]))} (id ${ids[index]})`,
    `log-probability ${formatNumber(logprobs[index]!)} (${formatShare(Math.exp(logprobs[index]!))})`,
    ...(trainerLogprobs === undefined
      ? []
      : [
          `by the trainer ${formatNumber(trainerLogprobs[index]!)}, importance ratio ${(ratioOf(sample, index) ?? 1).toFixed(4)}`,
        ]),
    ...(advantage === undefined ? [] : [`advantage ${advantage < 0 ? '−' : '+'}${formatNumber(Math.abs(advantage))}`]),
    `mask ${mask[index]}`,
  ].join(' · ');
}
