/** Reads a tool call that is the whole answer: `{"name": …, "parameters": {…}}`, the format of Llama 3 templates. */
import { parseObject, type ReadText, type ToolCall, type ToolCallReader } from './tool-call.ts';

/** A mark that may stand before the call; usually it is a special token, which is no text. */
const pythonTag = '<|python_tag|>';

/** Holds an answer that begins like a call until its end, and lets any other text pass. */
export class BareCallReader implements ToolCallReader {
  /** Text that may still be a call; undefined once it cannot be one. */
  #held: string | undefined = '';

  push(text: string): ReadText {
    if (this.#held === undefined) return { content: text, calls: [] };
    this.#held += text;
    return mayBeCall(this.#held) ? { content: '', calls: [] } : { content: this.#release(), calls: [] };
  }

  end(): ReadText {
    const call = parseCall(this.#held ?? '');
    return call === undefined ? { content: this.#release(), calls: [] } : { content: '', calls: [call] };
  }

  #release(): string {
    const text = this.#held ?? '';
    this.#held = undefined;
    return text;
  }
}

function mayBeCall(text: string): boolean {
  const start = text.trimStart();
  return start.startsWith('{') || start.startsWith(pythonTag) || pythonTag.startsWith(start);
}

function parseCall(text: string): ToolCall | undefined {
  const start = text.trimStart();
  const { name, parameters } = parseObject(start.startsWith(pythonTag) ? start.slice(pythonTag.length) : start) ?? {};
  return typeof name === 'string' && typeof parameters === 'object' && parameters !== null
    ? { name, arguments: JSON.stringify(parameters) }
    : undefined;
}
