import { elementsOf, endOfValue, membersOf, skipSpace, stringAt } from './json-text.ts';

/** The kinds of texts in a model call that a developer writes. */
export type PromptKind = 'system' | 'beginning' | 'tool' | 'parameter';

/** The routes of model calls, after the base URL: the dialects in which they are written. */
export type ModelRoute = 'chat/completions' | 'completions' | 'responses' | 'messages';

/** A text in the body of a model call, and where it stands. */
export interface PromptPlace {
  readonly kind: PromptKind;
  /** The name of the tool, of a tool's or a parameter's description. */
  readonly tool?: string;
  /** The name of the parameter; of one inside another, both with a dot between. */
  readonly parameter?: string;
  readonly text: string;
  /** `body[start..end)` is the JSON string. */
  readonly start: number;
  readonly end: number;
}

type Members = ReadonlyMap<string, number>;
type Label = Omit<PromptPlace, 'text' | 'start' | 'end'>;

/** The deepest parameter inside other parameters whose description is found. */
const deepestParameter = 4;

/**
 * Finds the texts of a model call that a developer may have written: system and developer messages, `instructions`, the first user message, and the
 * descriptions of tools and of their parameters. Returns none for a body that is no JSON object of this dialect.
 */
export function findPromptPlaces(
  route: ModelRoute,
  body: string,
  kinds: ReadonlySet<PromptKind>,
): readonly PromptPlace[] {
  const members = membersOf(body, skipSpace(body, 0));
  if (members === undefined) return [];
  const messages = kinds.has('system') || kinds.has('beginning') ? findMessages(route, body, members) : [];
  const tools = kinds.has('tool') || kinds.has('parameter') ? findTools(body, members) : [];
  return [...messages, ...tools].filter(({ kind }) => kinds.has(kind));
}

function findMessages(route: ModelRoute, body: string, members: Members): readonly PromptPlace[] {
  switch (route) {
    case 'chat/completions':
      return listMessages(body, members.get('messages'));
    case 'responses': {
      const system = textsAt(body, members.get('instructions'), { kind: 'system' });
      const input = members.get('input');
      const asked = place(body, input, { kind: 'beginning' });
      return [...system, ...(asked === undefined ? listMessages(body, input) : [asked])];
    }
    case 'messages':
      return [
        ...textsAt(body, members.get('system'), { kind: 'system' }),
        ...listMessages(body, members.get('messages')),
      ];
    case 'completions': {
      const given = members.get('prompt');
      const list = elementsOf(body, given);
      // Several prompts are several questions, of which none is the one.
      const only = list === undefined ? given : list.length === 1 ? list[0] : undefined;
      return listOf(place(body, only, { kind: 'beginning' }));
    }
  }
}

/** Returns the texts of system and developer messages, and the first text of the first user message. */
function listMessages(body: string, at: number | undefined): readonly PromptPlace[] {
  const places: PromptPlace[] = [];
  let isAsked = false;
  for (const element of elementsOf(body, at) ?? []) {
    const message = membersOf(body, element);
    const role = stringAt(body, message?.get('role'));
    if (role === 'system' || role === 'developer')
      places.push(...textsAt(body, message?.get('content'), { kind: 'system' }));
    if (role !== 'user' || isAsked) continue;
    isAsked = true;
    places.push(...textsAt(body, message?.get('content'), { kind: 'beginning' }).slice(0, 1));
  }
  return places;
}

/** Returns the text of a content, or the texts of its parts. */
function textsAt(body: string, at: number | undefined, label: Label): readonly PromptPlace[] {
  const whole = place(body, at, label);
  if (whole !== undefined) return [whole];
  return (elementsOf(body, at) ?? []).flatMap((part) => listOf(place(body, membersOf(body, part)?.get('text'), label)));
}

function findTools(body: string, members: Members): readonly PromptPlace[] {
  const tools = [
    ...(elementsOf(body, members.get('tools')) ?? []),
    ...(elementsOf(body, members.get('functions')) ?? []),
  ];
  return tools.flatMap((element) => {
    const outer = membersOf(body, element);
    const tool = membersOf(body, outer?.get('function')) ?? outer;
    const name = stringAt(body, tool?.get('name'));
    if (tool === undefined || name === undefined) return [];
    return [
      ...listOf(place(body, tool.get('description'), { kind: 'tool', tool: name })),
      ...findParameters(body, tool.get('parameters') ?? tool.get('input_schema'), name, []),
    ];
  });
}

function findParameters(
  body: string,
  schema: number | undefined,
  tool: string,
  around: readonly string[],
): readonly PromptPlace[] {
  const properties = membersOf(body, membersOf(body, schema)?.get('properties'));
  return [...(properties ?? [])].flatMap(([name, at]) => {
    const path = [...around, name];
    const description = place(body, membersOf(body, at)?.get('description'), {
      kind: 'parameter',
      tool,
      parameter: path.join('.'),
    });
    const inner = path.length < deepestParameter ? findParameters(body, at, tool, path) : [];
    return [...listOf(description), ...inner];
  });
}

function place(body: string, at: number | undefined, label: Label): PromptPlace | undefined {
  const text = stringAt(body, at);
  return text === undefined || text.trim() === ''
    ? undefined
    : { ...label, text, start: at!, end: endOfValue(body, at!)! };
}

function listOf<Item>(item: Item | undefined): readonly Item[] {
  return item === undefined ? [] : [item];
}
