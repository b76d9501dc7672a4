import { type FoundPrompt, findVariables, type PromptTemplate } from '@agent-lightning/tracing';
import { shorten } from '../reflection/describe-trace.ts';

/** Returns found prompts as a search takes prompts. A search reads name, text and variables of one; nothing renders it but the model calls themselves. */
export function toTemplates(found: readonly FoundPrompt[]): readonly PromptTemplate[] {
  return found.map(({ name, text }) => ({ name, text, variables: findVariables(text), render: () => text }));
}

/** Describes a found prompt in a line, for the user. */
export function describeFound({ name, text, slots }: FoundPrompt): string {
  const varying = slots.length === 0 ? '' : `; ${slots.map((slot) => `{{${slot}}}`).join(', ')} vary from call to call`;
  return `found the prompt "${name}": ${JSON.stringify(shorten(text, 120))}${varying}`;
}
