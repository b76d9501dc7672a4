import type { JsonObject } from '../../http/read-body.ts';
import { listAt, objectAt, rejectUnknown, textAt, untranslatable } from '../untranslatable.ts';

const functionFields: ReadonlySet<string> = new Set(['type', 'name', 'description', 'parameters', 'strict']);

function mapTool(value: unknown, path: string): JsonObject {
  const tool = objectAt(value, path);
  if (tool['type'] !== 'function') throw untranslatable(`${path}.type`, 'only function tools run on the agent’s side');
  rejectUnknown(tool, functionFields, path);
  const { description, parameters, strict } = tool;
  return {
    type: 'function',
    function: {
      name: textAt(tool, 'name', path),
      ...(description === undefined || description === null ? {} : { description }),
      ...(parameters === undefined || parameters === null ? {} : { parameters }),
      ...(strict === undefined || strict === null ? {} : { strict }),
    },
  };
}

export function mapTools(tools: unknown): readonly JsonObject[] {
  return tools === undefined ? [] : listAt(tools, 'tools').map((tool, index) => mapTool(tool, `tools[${index}]`));
}

/** Maps a tool choice onto the one of a chat; undefined when the agent leaves it open. */
export function mapToolChoice(choice: unknown): unknown {
  if (choice === undefined || choice === 'auto' || choice === 'none' || choice === 'required') return choice;
  const asked = objectAt(choice, 'tool_choice');
  if (asked['type'] === 'function') {
    rejectUnknown(asked, new Set(['type', 'name']), 'tool_choice');
    return { type: 'function', function: { name: textAt(asked, 'name', 'tool_choice') } };
  }
  throw untranslatable('tool_choice', 'choose "auto", "none", "required" or a function');
}
