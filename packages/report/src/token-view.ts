import { markup, type Markup } from './markup.ts';
import { formatNumber } from './line-chart.ts';

/** A token as it is shown. */
export interface ViewToken {
  /** Its text, or its id where the text is not known. */
  readonly text: string;
  /** Nats; undefined for a token that was not sampled. */
  readonly logprob: number | undefined;
  /** Undefined for a token that is not trained on. */
  readonly advantage: number | undefined;
}

/**
 * Draws tokens as text. A sampled token has a background that is the stronger the less likely it was; a token that is trained on
 * has a line below it: solid for a positive advantage, dashed for a negative one. A token that was not sampled (the mask is 0) is pale.
 */
export function tokenText(tokens: readonly ViewToken[]): Markup {
  return markup`<span class="tokens">${groupMasked(tokens).map((part) => (Array.isArray(part) ? markup`<span class="masked" title="${part.length} tokens with mask 0: read, not trained on">${part.map(({ text }) => visible(text)).join('')}</span>` : oneToken(part as ViewToken)))}</span>`;
}

export function tokenLegend(hasAdvantages: boolean): Markup {
  const training = markup` Line below: the token was <span class="tokens"><span class="token s0 up">encouraged</span> <span class="token s0 down">discouraged</span></span> by its advantage. <span class="tokens"><span class="masked">Pale</span></span>: mask 0, read but not trained on.`;
  return markup`<p class="hint">Background: how unlikely the token was when it was sampled, <span class="tokens"><span class="token s0">likely</span> <span class="token s2">unlikely</span> <span class="token s4">rare</span></span>.${hasAdvantages ? training : undefined} Point at a token for its numbers.</p>`;
}

function oneToken({ text, logprob, advantage }: ViewToken): Markup {
  const surprise = logprob === undefined ? 0 : Math.min(4, Math.floor(-logprob / 0.7));
  const direction = advantage === undefined || advantage === 0 ? '' : advantage > 0 ? ' up' : ' down';
  const numbers = [
    ...(logprob === undefined
      ? []
      : [`log-probability ${logprob.toFixed(3)} (${(Math.exp(logprob) * 100).toFixed(1)} %)`]),
    ...(advantage === undefined ? [] : [`advantage ${signed(advantage)}`]),
  ].join(', ');
  return markup`<span class="token s${surprise}${direction}" title="${numbers}">${visible(text)}</span>`;
}

/** Joins neighbouring tokens that were not sampled into one piece, so that long prompts keep the page small. */
function groupMasked(tokens: readonly ViewToken[]): readonly (ViewToken | ViewToken[])[] {
  const parts: (ViewToken | ViewToken[])[] = [];
  for (const token of tokens) {
    const last = parts.at(-1);
    if (token.logprob !== undefined) parts.push(token);
    else if (Array.isArray(last)) last.push(token);
    else parts.push([token]);
  }
  return parts;
}

/** Formats a number with its sign, such as `+1.23` or `−1.23`. */
export function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${formatNumber(Math.abs(value))}`;
}

function visible(text: string): string {
  return text === '' ? '∅' : text.replaceAll('\n', '⏎\n');
}
