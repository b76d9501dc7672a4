import { diffArrays } from 'diff';

/** A text with gaps: tokens that several texts share, in order, and undefined where they differ. */
type Pattern = readonly (string | undefined)[];

/** Texts of one place that are renderings of one template. */
export interface AlignedTexts {
  readonly texts: readonly string[];
  /** The constant texts between the places where they differ, one more than there are such places; the first and the last may be empty. */
  readonly constants: readonly string[];
}

/** Constant text that two texts must share before they count as renderings of one template, in characters. */
export const shortestConstant = 20;
/** Letters and signs of a constant text between two values; a shorter one is a part of the value, such as the "of" that two values happen to share. */
const shortestBetween = 6;
/** The share of the shorter text that is constant, where the texts begin differently. */
const leastShared = 0.6;
/** Differences after which two texts count as different: the time to find them grows with the number. */
const mostDifferences = 4_000;

/** Sorts texts into groups that are renderings of one template each, in the order in which the groups' first texts stand. */
export function alignTexts(texts: readonly string[]): readonly AlignedTexts[] {
  const groups: { pattern: Pattern; texts: string[] }[] = [];
  for (const text of new Set(texts)) {
    const tokens = splitTokens(text);
    let isPlaced = false;
    for (const group of groups) {
      const joined = joinPattern(group.pattern, tokens);
      if (joined === undefined || !isAlike(joined, group.texts, text)) continue;
      group.pattern = joined;
      group.texts.push(text);
      isPlaced = true;
      break;
    }
    if (!isPlaced) groups.push({ pattern: tokens, texts: [text] });
  }
  return groups.map((group) => ({ texts: group.texts, constants: listConstants(group.pattern) }));
}

function splitTokens(text: string): readonly string[] {
  return text.match(/[\p{L}\p{N}_]+|./gsu) ?? [];
}

function joinPattern(pattern: Pattern, tokens: Pattern): Pattern | undefined {
  const parts = diffArrays([...pattern], [...tokens], { maxEditLength: mostDifferences });
  return parts?.flatMap(({ value, added, removed }) => (added || removed ? [undefined] : value));
}

function isAlike(pattern: Pattern, known: readonly string[], text: string): boolean {
  const constants = listConstants(pattern);
  const shared = constants.reduce((sum, constant) => sum + constant.length, 0);
  const shorter = Math.min(text.length, ...known.map(({ length }) => length));
  return constants[0]!.length >= shortestConstant || (shared >= shortestConstant && shared >= leastShared * shorter);
}

/** Returns the constant texts of a pattern; what is too short between two values counts as a part of them. */
function listConstants(pattern: Pattern): readonly string[] {
  const constants = [''];
  for (const [index, token] of pattern.entries()) {
    if (token !== undefined) constants[constants.length - 1] += token;
    else if (index === 0 || pattern[index - 1] !== undefined) constants.push('');
  }
  const last = constants.length - 1;
  const isKept = (constant: string, index: number): boolean => index === 0 || index === last || isTelling(constant);
  // A question mark after a value is a part of it: the tasks of a dry run may all be questions.
  return constants.filter(isKept).map((constant, index) => (index === 0 ? constant : constant.replace(/^[?!]+/, '')));
}

/** Tells whether a constant text is long enough to be one on purpose. */
export function isTelling(constant: string): boolean {
  return constant.replaceAll(/\s/g, '').length >= shortestBetween;
}
