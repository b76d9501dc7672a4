/** Parses bodies that put each argument between tags, as plain text. The tool's schema tells the types of the values. */
import { isJson, writeJsonObject } from '../json-source.ts';
import { writeTypedValue } from '../tool-schemas.ts';
import type { ToolCall } from '../tool-call.ts';
import type { BodyContext, ParseBody } from './body.ts';

/**
 * Parses `<function=name><parameter=key>value</parameter>…</function>`, once or more often (Qwen3-Coder, Qwen3.5 and later,
 * Nemotron 3). One line break at either end of a value belongs to the tags. Of a call that the answer's end cut off, the
 * parameters that are complete are read.
 */
export const parseFunctionParameters: ParseBody = (body, context) => {
  const functions = [...body.matchAll(/<function=([^>]*)>([^]*?)(<\/function>|$)/g)];
  if (body.slice(0, functions[0]?.index ?? body.length).trim() !== '') return undefined;
  const calls = functions.map(([, given = '', inner = '', close]) => {
    const name = given.trim();
    if (close === '' && context.isClosed) return undefined;
    const parameters = [
      ...inner.matchAll(/<\s*parameter\s*=\s*([^>]*)>([^]*?)(?:<\s*\/\s*parameter\s*>|(?=<\s*parameter\s*=))/g),
    ];
    if (name === '' || (parameters.length === 0 && close !== '' && inner.trim() !== '')) return undefined;
    const values = parameters.map(([, key = '', value = '']) => [key, trimLineBreaks(value)] as const);
    return writeCall(name, values, context);
  });
  return calls.length > 0 && calls.every((call) => call !== undefined) ? calls : undefined;
};

/** Parses `name>…`, the text after a `<function=` that stands without `<tool_call>`. */
export const parseLoneFunction: ParseBody = (body, context) =>
  parseFunctionParameters(`<function=${body}${context.isClosed ? '</function>' : ''}`, context);

/** Parses `name`, then `<arg_key>key</arg_key><arg_value>value</arg_value>` for each argument (GLM 4.5 to 4.7). */
export const parseKeyValueTags: ParseBody = (body, context) => {
  const pairs = [...body.matchAll(/<arg_key>([^]*?)<\/arg_key>\s*<arg_value>([^]*?)<\/arg_value>/g)];
  const at = body.indexOf('<arg_key>');
  const name = body.slice(0, at < 0 ? body.length : at).trim();
  if (!/^[^\s<>{}"]+$/.test(name)) return undefined;
  if (at < 0 && !context.isClosed && !context.tools.has(name)) return undefined; // half a name
  const values = pairs.map(([, key = '', value = '']) => [key.trim(), value] as const);
  return [writeCall(name, values, context)];
};

/** Parses `<atem:invoke name="…"><atem:parameter name="key">value</atem:parameter>…</atem:invoke>`, once or more often (Muse Glimmer). */
export const parseInvokeTags: ParseBody = (body, context) => {
  const invokes = [...body.matchAll(/<atem:invoke\b[^>]*?\bname="([^"]+)"[^>]*>([^]*?)<\/atem:invoke>/g)];
  if (invokes.length === 0) return undefined;
  return invokes.map(([, name = '', inner = '']) => {
    const parameters = inner.matchAll(/<atem:parameter\b[^>]*?\bname="([^"]+)"[^>]*?>([^]*?)<\/atem:parameter>/g);
    const members = Array.from(parameters, ([, key = '', value = '']) => {
      const schema = context.tools.find(name, key);
      const isLiteral = schema === undefined && isJson(value); // this format writes JSON where a value is no string
      return [key, isLiteral ? value.trim() : writeTypedValue(value, schema)] as const;
    });
    return { name, arguments: writeJsonObject(new Map(members)) };
  });
};

function writeCall(name: string, values: readonly (readonly [string, string])[], { tools }: BodyContext): ToolCall {
  const members = values.map(([key, value]) => [key, writeTypedValue(value, tools.find(name, key))] as const);
  return { name, arguments: writeJsonObject(new Map(members)) };
}

function trimLineBreaks(value: string): string {
  return value.replace(/^\n/, '').replace(/\n$/, '');
}
