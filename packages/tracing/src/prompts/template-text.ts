/** The notation of variables in a template: `{{name}}` (`jinja`, of which only variables are known), or `{name}` with `{{` for a brace (`f-string`). */
export type TemplateEngine = 'f-string' | 'jinja';

const patterns: Readonly<Record<TemplateEngine, RegExp>> = {
  jinja: /\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g,
  'f-string': /\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}/g,
};

/** Returns the names of the variables of a template, each once, in the order in which they first stand in it. */
export function findVariables(text: string, engine: TemplateEngine = 'jinja'): readonly string[] {
  return [...new Set([...text.matchAll(patterns[engine])].flatMap(([, name]) => name ?? []))];
}

/** Puts values in place of variables, in one pass: what a value holds is never taken for a variable. */
export function fillTemplate(text: string, engine: TemplateEngine, valueOf: (variable: string) => string): string {
  return text.replaceAll(patterns[engine], (found: string, name?: string) =>
    name === undefined ? found[0]! : valueOf(name),
  );
}
