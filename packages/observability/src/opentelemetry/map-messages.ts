/** A piece of a message, as the conventions have it. */
type Part = Readonly<Record<string, unknown>>;

/** A prompt that was given as token ids, which the store keeps as text. */
const tokenIdsPattern = /^\[\s*-?\d+(\s*,\s*-?\d+)*\s*\]$/;

/**
 * Returns messages of a chat in the form of the conventions, as JSON: `[{ role, parts: [{ type, … }] }]`; undefined for what is no list of
 * messages.
 * @param json the messages as the store has them
 * @param finishReasons those of the answer, for its messages
 * @param mayBeTokens true for a prompt that may have been given as token ids, of which there are none in traces
 */
export function mapMessages(json: unknown, finishReasons: unknown, mayBeTokens: boolean): string | undefined {
  if (typeof json !== 'string') return undefined;
  let messages: unknown;
  try {
    messages = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(messages)) return undefined;
  const mapped = messages.filter(isRecord).map((message) => ({
    role: typeof message['role'] === 'string' ? message['role'] : 'user',
    parts: mayBeTokens && isTokenIds(message['content']) ? [tokenIdsPart] : partsOf(message),
    ...(message['role'] === 'assistant' && Array.isArray(finishReasons) && messages.length === 1
      ? { finish_reason: finishReasons[0] as unknown }
      : {}),
  }));
  return JSON.stringify(mapped);
}

function partsOf(message: Readonly<Record<string, unknown>>): readonly Part[] {
  const { role, content } = message;
  if (role === 'tool') return [{ type: 'tool_call_response', id: message['tool_call_id'] ?? null, response: content }];
  const calls = Array.isArray(message['tool_calls']) ? message['tool_calls'].filter(isRecord) : [];
  return [...contentParts(content), ...calls.map(callPart)];
}

function contentParts(content: unknown): readonly Part[] {
  if (typeof content === 'string') return content === '' ? [] : [textPart(content)];
  if (!Array.isArray(content)) return [];
  return content.filter(isRecord).map((part) => (typeof part['text'] === 'string' ? textPart(part['text']) : part));
}

function textPart(content: string): Part {
  return { type: 'text', content };
}

const tokenIdsPart: Part = { type: 'text', content: '(token ids)' };

function isTokenIds(content: unknown): boolean {
  return typeof content === 'string' && tokenIdsPattern.test(content);
}

function callPart(call: Readonly<Record<string, unknown>>): Part {
  const work = isRecord(call['function']) ? call['function'] : {};
  return { type: 'tool_call', id: call['id'] ?? null, name: work['name'], arguments: parseOrKeep(work['arguments']) };
}

/** A number that JavaScript may not hold exactly; arguments with one stay text, as the model wrote them. */
const longNumber = /\d{16}/;

function parseOrKeep(value: unknown): unknown {
  if (typeof value !== 'string' || longNumber.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
