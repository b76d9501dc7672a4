import type { ChatMessage, JsonValue } from '@agent-lightning/core';
import type { JsonObject } from '../http/read-body.ts';
import type { ModelRequest } from '../request/model-request.ts';
import { isEmpty, isObject } from '../request/request-fields.ts';

/**
 * The way in which a policy is asked for structured output: `prompt` asks for the form in words and lets the policy sample freely;
 * `grammar` leaves the agent's fields to the server, which then decodes under a grammar.
 */
export type StructuredOutput = 'prompt' | 'grammar';

/** The fields of vLLM before 0.12, SGLang and llama.cpp that hold one guide, with its name in {@link guides}. */
const guideFields = {
  guided_json: 'json',
  guided_regex: 'regex',
  guided_choice: 'choice',
  guided_grammar: 'grammar',
  json_schema: 'json',
  regex: 'regex',
  ebnf: 'grammar',
  grammar: 'grammar',
  structural_tag: 'structural_tag',
} as const;

type GrammarField = 'response_format' | 'structured_outputs' | keyof typeof guideFields;

/** The fields that make a server decode under a grammar, apart from those about tools. */
export const grammarFields: readonly GrammarField[] = [
  'response_format',
  'structured_outputs',
  ...(Object.keys(guideFields) as (keyof typeof guideFields)[]),
];

/** The guides that vLLM's `structured_outputs` can hold; a structural tag has no words. */
const guides = ['json', 'json_object', 'regex', 'choice', 'grammar', 'structural_tag'] as const;

/** One field that asks for a form, and the form in words; without words it cannot be asked for in a prompt. */
interface AskedForm {
  readonly field: string;
  /** Empty where the prompt holds the form anyway. */
  readonly words: string | undefined;
  /** Tells whether the text of the messages before the model's first turn asks for the form already; then the words are left out. */
  readonly isInPrompt: (text: string) => boolean;
}

/** Returns the first field that makes a server decode under a grammar; undefined when there is none. */
export function findGrammar(body: JsonObject): string | undefined {
  return askedForms(body)[0]?.field;
}

/**
 * Returns the request without the fields that bring a grammar, and with their meaning as a system instruction: at the end of the
 * first message where that is a system message, else as a new first message. A form that has no words stays as a field.
 */
export function moveToPrompt(request: ModelRequest): { readonly request: ModelRequest; readonly rules: string[] } {
  const { input } = request;
  const forms = askedForms(request.body).filter(({ words }) => words !== undefined);
  if (input.kind !== 'chat' || forms.length === 0) return { request, rules: [] };
  const body: Record<string, unknown> = { ...request.body };
  for (const { field } of forms) {
    if (field === 'tools.strict') body['tools'] = withoutStrict(body['tools'] as readonly unknown[]);
    else delete body[field];
  }
  const text = askingMessages(input.messages)
    .map(({ content }) => textOf(content))
    .join('\n');
  const missing = forms.filter((form) => form.words !== '' && !form.isInPrompt(text)).map(({ words }) => words);
  const messages = missing.length === 0 ? input.messages : withInstruction(input.messages, missing.join('\n\n'));
  body['messages'] = messages;
  return {
    request: { ...request, body, input: { kind: 'chat', messages } },
    rules: forms.map(({ field }) => `${field}:prompt`),
  };
}

/** Returns the messages before the model's first turn: what comes later, such as its own JSON, must not change the prompt that it continues. */
function askingMessages(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const answered = messages.findIndex(({ role }) => role === 'assistant');
  return answered < 0 ? messages : messages.slice(0, answered);
}

function askedForms(body: JsonObject): readonly AskedForm[] {
  const mayCall = Array.isArray(body['tools']) && body['tools'].length > 0 && body['tool_choice'] !== 'none';
  const forms = grammarFields.flatMap((field): AskedForm[] => {
    const value = body[field];
    if (isEmpty(value) || (field === 'response_format' && isObject(value) && value['type'] === 'text')) return [];
    const form = describeForm(field, value);
    if (form === undefined) return [{ field, words: undefined, isInPrompt: () => false }];
    const words = mayCall ? `When you call no function, a${form.words.slice(1)}` : form.words;
    return [{ field, words, isInPrompt: form.isInPrompt }];
  });
  const choice = describeToolChoice(body['tool_choice']);
  const ofTools = mayCall ? describeToolRules(body) : [];
  return [...forms, ...(choice === undefined ? [] : [choice]), ...ofTools];
}

/** Returns what else a request says of its tools that newer versions of vLLM hold to by a grammar: chat templates show the arguments anyway. */
function describeToolRules(body: JsonObject): readonly AskedForm[] {
  const isInPrompt = (): boolean => false;
  const isStrict = (body['tools'] as readonly unknown[]).some((tool) => functionOf(tool)?.['strict'] === true);
  return [
    ...(isStrict ? [{ field: 'tools.strict', words: '', isInPrompt }] : []),
    ...(body['parallel_tool_calls'] === false
      ? [{ field: 'parallel_tool_calls', words: 'Call at most one function at a time.', isInPrompt }]
      : []),
  ];
}

function functionOf(tool: unknown): JsonObject | undefined {
  return isObject(tool) && isObject(tool['function']) ? tool['function'] : undefined;
}

function withoutStrict(tools: readonly unknown[]): readonly unknown[] {
  return tools.map((tool) => {
    const called = functionOf(tool);
    if (called === undefined) return tool;
    const { strict: _strict, ...rest } = called;
    return { ...(tool as JsonObject), function: rest };
  });
}

type Form = Omit<AskedForm, 'field'> & { readonly words: string };

/** Returns the form that a field asks for; undefined for one that has no words, such as a structural tag. */
function describeForm(field: GrammarField, value: unknown): Form | undefined {
  if (field === 'response_format') return isObject(value) ? describeFormat(value) : undefined;
  if (field !== 'structured_outputs') return describeGuide(guideFields[field], value);
  const asked = isObject(value) ? guides.filter((name) => !isEmpty(value[name]) && value[name] !== false) : [];
  const [only] = asked;
  return only === undefined || asked.length > 1 ? undefined : describeGuide(only, (value as JsonObject)[only]);
}

function describeFormat(format: JsonObject): Form | undefined {
  if (format['type'] === 'json_object') return describeGuide('json_object', true);
  const asked = format['json_schema'];
  if (format['type'] !== 'json_schema' || !isObject(asked) || !isObject(asked['schema'])) return undefined;
  const { description } = asked;
  return schemaForm(asked['schema'], typeof description === 'string' ? description : '');
}

/** Returns the form of a guide by its name in vLLM's `structured_outputs`; older versions have it in the names of fields. */
function describeGuide(name: string, value: unknown): Form | undefined {
  const never = (): boolean => false;
  if (name === 'json_object')
    return {
      words: 'Answer with one JSON object and nothing else: no explanation, no Markdown.',
      // OpenAI's API rejects this format unless the prompt asks for JSON, so the agent's own words are there.
      isInPrompt: (text) => /json/iu.test(text),
    };
  if (name === 'json') {
    const schema = typeof value === 'string' ? parseSchema(value) : value;
    return isObject(schema) ? schemaForm(schema, '') : undefined;
  }
  if (name === 'choice' && Array.isArray(value))
    return { words: `Answer with one of these texts and nothing else:\n${JSON.stringify(value)}`, isInPrompt: never };
  if (typeof value !== 'string') return undefined;
  if (name === 'regex')
    return {
      words: `Answer with a text that matches this regular expression and nothing else:\n${value}`,
      isInPrompt: never,
    };
  if (name === 'grammar')
    return { words: `Answer with a text of this grammar and nothing else:\n${value}`, isInPrompt: never };
  return undefined;
}

function parseSchema(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // the server rejects it
  }
}

function schemaForm(schema: JsonObject, description: string): Form {
  const [compact, pretty] = [JSON.stringify(schema), JSON.stringify(schema, undefined, 2)];
  return {
    words: `Answer with one JSON value that is valid under this JSON Schema and nothing else: no explanation, no Markdown.\n${description === '' ? '' : `${description}\n`}${compact}`,
    // Some frameworks write the schema into the prompt as well.
    isInPrompt: (text) => text.includes(compact) || text.includes(pretty),
  };
}

function describeToolChoice(choice: unknown): AskedForm | undefined {
  const [field, isInPrompt] = ['tool_choice', (): boolean => false];
  if (choice === 'required')
    return { field, isInPrompt, words: 'Answer by calling at least one of the functions and with nothing else.' };
  if (!isObject(choice)) return undefined;
  const called = choice['function'];
  if (choice['type'] !== 'function' || !isObject(called) || typeof called['name'] !== 'string')
    return { field, isInPrompt, words: undefined };
  return { field, isInPrompt, words: `Answer by calling the function "${called['name']}" and with nothing else.` };
}

/** Returns the text of a message, or of its parts. */
function textOf(content: JsonValue | undefined): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return (content as readonly JsonValue[])
    .map((part) => (isObject(part) && typeof part['text'] === 'string' ? part['text'] : ''))
    .join('\n');
}

function withInstruction(messages: readonly ChatMessage[], instruction: string): readonly ChatMessage[] {
  const [first, ...rest] = messages;
  const isSystem = first !== undefined && (first.role === 'system' || first.role === 'developer');
  if (!isSystem) return [{ role: 'system', content: instruction }, ...messages];
  const { content } = first;
  if (Array.isArray(content))
    return [
      { ...first, content: [...(content as readonly JsonValue[]), { type: 'text', text: instruction }] },
      ...rest,
    ];
  const own = textOf(content);
  return [{ ...first, content: own === '' ? instruction : `${own}\n\n${instruction}` }, ...rest];
}
