/** Holds markup that is safe to put into a page as it is. Everything else is escaped by {@link markup}. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

export type MarkupValue = Markup | string | number | undefined | readonly MarkupValue[];

/**
 * Builds HTML from a template whose values are escaped, unless they are markup themselves; arrays are joined, undefined is left out.
 * It is not named `html`, since formatters would then indent the template, and space between tokens is text that must stay.
 */
export function markup(parts: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  return new Markup(parts.map((part, index) => part + (index < values.length ? toText(values[index]) : '')).join(''));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Control characters that no text of a page needs: a terminal that prints the file would obey them. */
// oxlint-disable-next-line no-control-regex -- these are the characters that must not pass
const controls = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g;

function toText(value: MarkupValue): string {
  if (value === undefined) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'object') return value.map(toText).join('');
  return String(value)
    .replaceAll(controls, '\uFFFD')
    .replaceAll(/[&<>"']/g, (character) => entities[character]!);
}
