/** Does what Python's methods of texts do. */
import { bindArguments, requireArgument } from './arguments.ts';
import { lackingError, templateError } from './template-error.ts';
import { Callable, hasPairs, itemsOf, lengthOfText, requireCount, requireText, Tuple, type Value } from './values.ts';

/** The characters that Python takes for blanks; JavaScript's differ by a few. */
const blanks = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const leadingBlanks = new RegExp(`^[${blanks}]+`, 'u');
const blank = new RegExp(`[${blanks}]`, 'u');
const onlyBlanks = new RegExp(`^[${blanks}]+$`, 'u');
const lineEnd = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/u; // oxlint-disable-line no-control-regex

export type Side = 'both' | 'left' | 'right';

/** Removes blanks, or the given characters, from the ends of a text. */
export function strip(text: string, characters?: string, side: Side = 'both'): string {
  if (characters === undefined) {
    const left = side === 'right' ? text : text.replace(leadingBlanks, '');
    return side === 'left' ? left : trimEnd(left);
  }
  if (!hasPairs(characters)) return stripItems(text, characters, side) as string;
  return (stripItems([...text], characters, side) as string[]).join('');
}

/** Removes characters from the ends of a text, given as one or as a list of them. */
function stripItems(text: string | readonly string[], characters: string, side: Side): string | readonly string[] {
  const stripped = new Set(characters);
  const isStripped = (at: number): boolean => stripped.has(text[at] ?? '');
  let [start, end] = [0, text.length];
  if (side !== 'right') while (start < end && isStripped(start)) start += 1;
  if (side !== 'left') while (end > start && isStripped(end - 1)) end -= 1;
  return text.slice(start, end);
}

/** Removes trailing blanks in one pass; a regular expression takes quadratic time over blanks within a text. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && blank.test(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

/** Splits a text at its ends of lines, of which the last begins no line. */
export function splitLines(text: string): string[] {
  const lines = text.split(new RegExp(lineEnd, 'gu'));
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Makes the first letter large and the others small. */
export function capitalize(text: string): string {
  const [first = '', ...rest] = [...text];
  return first.toUpperCase() + rest.join('').toLowerCase();
}

/** Splits at a separator, or at runs of blanks where it is undefined. */
function split(text: string, separator: string | undefined, most: number, fromRight: boolean): string[] {
  if (separator === '') throw templateError('empty separator');
  const parts = separator === undefined ? splitAtBlanks(text, most, fromRight) : text.split(separator);
  if (separator === undefined || most < 0 || parts.length <= most + 1) return parts;
  return fromRight
    ? [parts.slice(0, parts.length - most).join(separator), ...parts.slice(parts.length - most)]
    : [...parts.slice(0, most), parts.slice(most).join(separator)];
}

function splitAtBlanks(text: string, most: number, fromRight: boolean): string[] {
  const words = [...text.matchAll(new RegExp(`[^${blanks}]+`, 'gu'))];
  if (most < 0 || words.length <= most) return words.map(([word]) => word);
  if (fromRight) {
    const first = words[words.length - most - 1];
    const end = (first?.index ?? 0) + (first?.[0].length ?? 0);
    return [text.slice(0, end), ...words.slice(words.length - most).map(([word]) => word)];
  }
  return [...words.slice(0, most).map(([word]) => word), text.slice(words[most]?.index)];
}

/** Replaces a text, at most `count` times where that is not negative. */
export function replace(text: string, old: string, fresh: string, count: number): string {
  const parts = old === '' ? ['', ...text, ''] : text.split(old);
  if (count < 0) return parts.join(fresh);
  const changed = parts.slice(0, count + 1).join(fresh);
  return [changed, ...parts.slice(count + 1)].join(old);
}

function affixes(value: Value, name: string): readonly string[] {
  const list = value instanceof Tuple ? value.items : [value];
  return list.map((item) => requireText(item, `the argument of ${name}()`));
}

type Method = (text: string, take: (...names: string[]) => readonly (Value | undefined)[]) => Value;

const optionalText = (value: Value | undefined, what: string): string | undefined =>
  value === undefined || value === null ? undefined : requireText(value, what);

function splitWith(fromRight: boolean): Method {
  return (text, take) => {
    const [separator, most = -1n] = take('sep', 'maxsplit');
    return split(text, optionalText(separator, 'sep'), requireCount(most, 'maxsplit'), fromRight);
  };
}

function stripWith(side: Side): Method {
  return (text, take) => strip(text, optionalText(take('chars')[0], 'chars'), side);
}

function countOf(text: string, part: string): bigint {
  return part === '' ? BigInt(lengthOfText(text) + 1) : BigInt(text.split(part).length - 1);
}

/** Returns an index in characters, of the first or last place of a part; -1 where there is none. */
function find(text: string, part: Value | undefined, last: boolean): bigint {
  const wanted = requireText(requireArgument('find', 'sub', part), 'sub');
  const at = last ? text.lastIndexOf(wanted) : text.indexOf(wanted);
  return at < 0 ? -1n : BigInt(lengthOfText(text.slice(0, at)));
}

function partition(text: string, separator: string, last: boolean): Tuple {
  const at = last ? text.lastIndexOf(separator) : text.indexOf(separator);
  if (at < 0) return new Tuple(last ? ['', '', text] : [text, '', '']);
  return new Tuple([text.slice(0, at), separator, text.slice(at + separator.length)]);
}

const all =
  (pattern: RegExp): Method =>
  (text) =>
    pattern.test(text);

const methods: Readonly<Record<string, Method>> = {
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  casefold: (text) => text.toLowerCase().replaceAll('ß', 'ss'),
  capitalize: (text) => capitalize(text),
  title: (text) => text.replaceAll(/\p{L}+/gu, (word) => capitalize(word)),
  strip: stripWith('both'),
  lstrip: stripWith('left'),
  rstrip: stripWith('right'),
  split: splitWith(false),
  rsplit: splitWith(true),
  splitlines: (text) => splitLines(text),
  startswith: (text, take) =>
    affixes(requireArgument('startswith', 'prefix', take('prefix')[0]), 'startswith').some((part) =>
      text.startsWith(part),
    ),
  endswith: (text, take) =>
    affixes(requireArgument('endswith', 'suffix', take('suffix')[0]), 'endswith').some((part) => text.endsWith(part)),
  removeprefix: (text, take) => {
    const prefix = requireText(requireArgument('removeprefix', 'prefix', take('prefix')[0]), 'prefix');
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  },
  removesuffix: (text, take) => {
    const suffix = requireText(requireArgument('removesuffix', 'suffix', take('suffix')[0]), 'suffix');
    return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
  replace: (text, take) => {
    const [old, fresh, count = -1n] = take('old', 'new', 'count');
    return replace(
      text,
      requireText(requireArgument('replace', 'old', old), 'old'),
      requireText(requireArgument('replace', 'new', fresh), 'new'),
      requireCount(count, 'count'),
    );
  },
  join: (text, take) =>
    itemsOf(requireArgument('join', 'iterable', take('iterable')[0]))
      .map((item) => requireText(item, 'an item of join()'))
      .join(text),
  count: (text, take) => countOf(text, requireText(requireArgument('count', 'sub', take('sub')[0]), 'sub')),
  find: (text, take) => find(text, take('sub')[0], false),
  rfind: (text, take) => find(text, take('sub')[0], true),
  partition: (text, take) =>
    partition(text, requireText(requireArgument('partition', 'sep', take('sep')[0]), 'sep'), false),
  rpartition: (text, take) =>
    partition(text, requireText(requireArgument('rpartition', 'sep', take('sep')[0]), 'sep'), true),
  isdigit: all(/^\p{Nd}+$/u),
  isalpha: all(/^\p{L}+$/u),
  isalnum: all(/^[\p{L}\p{N}]+$/u),
  isspace: all(onlyBlanks),
  isupper: (text) => text === text.toUpperCase() && text !== text.toLowerCase(),
  islower: (text) => text === text.toLowerCase() && text !== text.toUpperCase(),
};

/** Names Python's other methods of texts, so that their use is told from a field that is not there. */
const lacking: ReadonlySet<string> = new Set(
  'center encode expandtabs format format_map index isascii isdecimal isidentifier isnumeric isprintable istitle ljust maketrans rindex rjust swapcase translate zfill'.split(
    ' ',
  ),
);

/** Returns a method of a text, or undefined when texts have none of that name. */
export function textMethod(text: string, name: string): Callable | undefined {
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method === undefined) {
    if (!lacking.has(name)) return undefined;
    return new Callable(name, () => {
      throw lackingError(`the method ${name} of a text`);
    });
  }
  return new Callable(name, (positional, named) =>
    method(text, (...names) => bindArguments(name, names, positional, named)),
  );
}
