import { booleanField } from '../../request/request-fields.ts';
import type { JsonObject } from '../../http/read-body.ts';
import { listAt, objectAt, rejectUnknown, textAt, untranslatable } from '../untranslatable.ts';

const toolFields: ReadonlySet<string> = new Set([
  'type',
  'name',
  'description',
  'input_schema',
  'strict',
  'cache_control',
  'eager_input_streaming',
]);

function mapTool(value: unknown, path: string): JsonObject {
  const tool = objectAt(value, path);
  if ((tool['type'] ?? 'custom') !== 'custom')
    throw untranslatable(`${path}.type`, 'only tools that the agent runs itself are possible');
  rejectUnknown(tool, toolFields, path);
  const { description, input_schema: parameters, strict } = tool;
  return {
    type: 'function',
    function: {
      name: textAt(tool, 'name', path),
      ...(description === undefined || description === null ? {} : { description }),
      parameters: objectAt(parameters, `${path}.input_schema`),
      ...(strict === undefined || strict === null ? {} : { strict }),
    },
  };
}

export function mapTools(tools: unknown): readonly JsonObject[] {
  return tools === undefined ? [] : listAt(tools, 'tools').map((tool, index) => mapTool(tool, `tools[${index}]`));
}

/** Maps a tool choice onto the fields of a chat. */
export function mapToolChoice(value: unknown): JsonObject {
  if (value === undefined) return {};
  const choice = objectAt(value, 'tool_choice');
  rejectUnknown(choice, new Set(['type', 'name', 'disable_parallel_tool_use']), 'tool_choice');
  const parallel = booleanField(choice, 'disable_parallel_tool_use') ? { parallel_tool_calls: false } : {};
  const { type } = choice;
  if (type === 'auto' || type === 'none') return { tool_choice: type, ...parallel };
  if (type === 'any') return { tool_choice: 'required', ...parallel };
  if (type !== 'tool') throw untranslatable('tool_choice.type');
  const name = textAt(choice, 'name', 'tool_choice');
  return { tool_choice: { type: 'function', function: { name } }, ...parallel };
}
