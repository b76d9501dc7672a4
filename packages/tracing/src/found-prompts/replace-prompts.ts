import { fillSlots, matchPiece, matchWhole, splitTemplate, type TemplateMatch } from './match-template.ts';
import { findPromptPlaces, type ModelRoute, type PromptKind, type PromptPlace } from './prompt-places.ts';

/** A prompt that was found in the model calls of an agent: where it stands there, and its text. */
export interface FoundPrompt {
  /** Names it among the resources of rollouts, in exports and in messages, such as `write_query/system`. */
  readonly name: string;
  readonly kind: PromptKind;
  /** One of the names of the agent whose calls have it. @default any selected agent */
  readonly agent?: string;
  readonly tool?: string;
  readonly parameter?: string;
  /** The text as it was found; what differs from call to call is a slot, as `{{slot1}}`. */
  readonly text: string;
  /** The names of the slots, each of which stands once in the text. */
  readonly slots: readonly string[];
}

/** A found prompt, and the text that takes its place; it has the same slots, any number of times. */
export interface PromptReplacement {
  readonly prompt: FoundPrompt;
  readonly text: string;
}

/** A body in which prompts were replaced. */
export interface ReplacedPrompts {
  readonly body: string;
  /** The names of the prompts that stood in the body; also those whose text stays. */
  readonly replaced: readonly string[];
  /** The names of those that did not. */
  readonly missing: readonly string[];
}

/**
 * Replaces prompts in the body of a model call, each in the first place of its kind where it stands, as the whole text or as a piece of it. Everything
 * outside the JSON strings that hold them stays byte for byte; a body in which nothing changes is returned as it is.
 * @param route the dialect, by the route of the call @param body the JSON text @param replacements for the agent that calls
 */
export function replacePrompts(
  route: ModelRoute,
  body: string,
  replacements: readonly PromptReplacement[],
): ReplacedPrompts {
  const places = findPromptPlaces(route, body, new Set(replacements.map(({ prompt }) => prompt.kind)));
  const edits = new Map<PromptPlace, Edit[]>();
  const names = { replaced: new Set<string>(), missing: new Set<string>() };
  // The longest first: the text of one may be a piece of another.
  for (const { prompt, text } of replacements.toSorted((one, other) => weigh(other) - weigh(one))) {
    const found = findPlace(prompt, places, edits);
    names[found === undefined ? 'missing' : 'replaced'].add(prompt.name);
    if (found === undefined) continue;
    const { start, end, values } = found.match;
    const edit = { start, end, text: fillSlots(text, prompt.slots, values) };
    edits.set(found.place, [...(edits.get(found.place) ?? []), edit]);
  }
  return { body: applyEdits(body, edits), replaced: [...names.replaced], missing: [...names.missing] };
}

/** A piece of a place's text, and what takes its place. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function weigh({ prompt: { text, slots } }: PromptReplacement): number {
  return splitTemplate(text, slots).constants.reduce((sum, constant) => sum + constant.length, 0);
}

/** Finds the place of a prompt: the first that is the prompt as a whole, else the first of which it is a piece. */
function findPlace(
  prompt: FoundPrompt,
  places: readonly PromptPlace[],
  taken: ReadonlyMap<PromptPlace, readonly Edit[]>,
): { readonly place: PromptPlace; readonly match: TemplateMatch } | undefined {
  const { kind, tool, parameter, text, slots } = prompt;
  const own = places.filter((place) => place.kind === kind && place.tool === tool && place.parameter === parameter);
  const isFree = (place: PromptPlace, { start, end }: TemplateMatch): boolean =>
    (taken.get(place) ?? []).every((edit) => end <= edit.start || edit.end <= start);
  const matchers = [
    (place: PromptPlace) => matchWhole(place.text, text, slots),
    (place: PromptPlace) => matchPiece(place.text, text, slots, kind === 'beginning'),
  ];
  for (const matchPlace of matchers) {
    for (const place of own) {
      const match = matchPlace(place);
      if (match !== undefined && isFree(place, match)) return { place, match };
    }
  }
  return undefined;
}

function applyEdits(body: string, edits: ReadonlyMap<PromptPlace, readonly Edit[]>): string {
  const backwards = (one: { readonly start: number }, other: { readonly start: number }): number =>
    other.start - one.start;
  let replaced = body;
  for (const [place, pieces] of [...edits].sort(([one], [other]) => backwards(one, other))) {
    let { text } = place;
    for (const piece of pieces.toSorted(backwards))
      text = text.slice(0, piece.start) + piece.text + text.slice(piece.end);
    if (text !== place.text)
      replaced = replaced.slice(0, place.start) + JSON.stringify(text) + replaced.slice(place.end);
  }
  return replaced;
}
