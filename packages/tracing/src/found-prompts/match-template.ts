/** A part of a text that is a template with its values put in. */
export interface TemplateMatch {
  /** `text[start..end)` is the part. */
  readonly start: number;
  readonly end: number;
  /** The values by the names of their slots. */
  readonly values: ReadonlyMap<string, string>;
}

/** Returns the constant texts of a template, one more than it has slots, and the slots between them. Other braces are constant text. */
export function splitTemplate(
  template: string,
  slots: readonly string[],
): { readonly constants: readonly string[]; readonly between: readonly string[] } {
  const parts = slots.length === 0 ? [template] : template.split(slotPattern(slots));
  return {
    constants: parts.filter((_, index) => index % 2 === 0),
    between: parts.filter((_, index) => index % 2 === 1),
  };
}

/** Puts values in the place of slots, in one pass: what a value holds is never taken for a slot. */
export function fillSlots(template: string, slots: readonly string[], values: ReadonlyMap<string, string>): string {
  if (slots.length === 0) return template;
  return template.replaceAll(slotPattern(slots), (_, name: string) => values.get(name) ?? '');
}

// Names of slots are letters and digits, so that a pattern takes them as they are.
function slotPattern(slots: readonly string[]): RegExp {
  return new RegExp(`\\{\\{(${slots.join('|')})\\}\\}`, 'g');
}

/** Matches a whole text with a template in which each slot stands once. A value is as short as it can be, but for the last. */
export function matchWhole(text: string, template: string, slots: readonly string[]): TemplateMatch | undefined {
  const { constants, between } = splitTemplate(template, slots);
  if (between.length === 0) return text === template ? { start: 0, end: text.length, values: new Map() } : undefined;
  const last = constants.at(-1)!;
  const lastStart = text.length - last.length;
  if (!text.endsWith(last)) return undefined;
  const found = followConstants(text, constants.slice(0, -1), between, 0);
  if (found === undefined || found.end > lastStart) return undefined;
  const values = new Map(found.values).set(between.at(-1)!, text.slice(found.end, lastStart));
  return { start: 0, end: text.length, values };
}

/**
 * Matches a part of a text with a template that neither begins nor ends with a slot. @param isBeginning true when the part must be the text's beginning
 */
export function matchPiece(
  text: string,
  template: string,
  slots: readonly string[],
  isBeginning: boolean,
): TemplateMatch | undefined {
  const { constants, between } = splitTemplate(template, slots);
  if (constants[0] === '' || constants.at(-1) === '') return undefined;
  const start = isBeginning ? 0 : text.indexOf(constants[0]!);
  const found = start < 0 ? undefined : followConstants(text, constants, between, start);
  return found && { start, ...found };
}

/** Finds constant texts one after the other, the first at `start`, and the values between them. */
function followConstants(
  text: string,
  constants: readonly string[],
  between: readonly string[],
  start: number,
): Omit<TemplateMatch, 'start'> | undefined {
  if (!text.startsWith(constants[0]!, start)) return undefined;
  const values = new Map<string, string>();
  let end = start + constants[0]!.length;
  for (const [index, constant] of constants.slice(1).entries()) {
    const next = text.indexOf(constant, end);
    if (next < 0) return undefined;
    values.set(between[index]!, text.slice(end, next));
    end = next + constant.length;
  }
  return { end, values };
}
