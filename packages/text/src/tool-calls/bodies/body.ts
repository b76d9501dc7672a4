/** Defines what parses the body of a call: the text between the marks of a format. */
import type { ToolCall } from '../tool-call.ts';
import type { ToolSchemas } from '../tool-schemas.ts';

export interface BodyContext {
  readonly tools: ToolSchemas;
  /** False when the answer ended before the call did. */
  readonly isClosed: boolean;
}

/** Returns the calls of a body; undefined when it is none, so that it stays text. */
export type ParseBody = (body: string, context: BodyContext) => readonly ToolCall[] | undefined;
