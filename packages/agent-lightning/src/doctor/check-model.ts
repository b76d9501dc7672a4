/** Checks the directory of a model. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LightningError } from '@agent-lightning/core';
import { findHubModel, findStarterModel, parseHubModelId, starterModelName } from '@agent-lightning/platform';
import { loadText } from '@agent-lightning/text';
import { fault, note, ok, type Finding } from './finding.ts';

/** Checks that a directory holds a model with weights, a tokenizer and a chat template; `smollm2` is the starter model, and `organization/name` one of the hub. */
export async function checkModel(model: string, directory: string, environment: NodeJS.ProcessEnv): Promise<Finding> {
  const given = resolve(directory, model);
  if (model !== starterModelName && existsSync(given) && statSync(given).isDirectory())
    return await checkDirectory(given);
  const hub = parseHubModelId(model);
  const place = model === starterModelName ? findStarterModel(environment) : hub && findHubModel(hub, environment);
  if (place === undefined)
    return fault(
      'model',
      `the model ${model} is no directory: there is no ${given}`,
      'give the directory of a model in the Hugging Face layout; `npx agent-lightning download <organization/name>` gets one',
    );
  if (existsSync(place)) return await checkDirectory(place);
  const name = model === starterModelName ? 'starter' : model;
  return fault('model', `the model ${model} is not in ${place}`, `run \`npx agent-lightning download ${name}\``);
}

const again =
  'download the model again: its directory must hold config.json, model.safetensors, tokenizer.json and tokenizer_config.json';
const instruct =
  'take an instruct model, whose files include a template, or put the chat_template.jinja of its family there; a base model has none';

async function checkDirectory(path: string): Promise<Finding> {
  const files = readdirSync(path);
  const missing = ['config.json', 'tokenizer.json', 'tokenizer_config.json'].filter((name) => !files.includes(name));
  if (!files.some((name) => /\.(?:safetensors|bin)$/.test(name))) missing.push('model.safetensors');
  if (missing.length === 4) return fault('model', `${path} is no model: it has no ${missing.join(', no ')}`, again);
  const problems = missing.length === 0 ? [] : [`it has no ${missing.join(', no ')}`];
  if (!hasTemplate(path))
    problems.push('it has no chat template: neither chat_template.jinja nor chat_template in tokenizer_config.json');
  if (problems.length > 0)
    return fault('model', `${path}: ${problems.join('; ')}`, missing.length > 0 ? again : instruct);
  try {
    await loadText(path);
  } catch (error) {
    if (!LightningError.isInstance(error)) throw error;
    const reads = 'the backend gpu reads more kinds than embedded; for embedded take a model of docs/models.md';
    return note('model', `embedded cannot read it: ${error.message}`, reads);
  }
  return ok('model', `${path} has weights, a tokenizer and a chat template`);
}

/** Tells whether a model has a chat template, in a file of its own or in the settings of its tokenizer. */
function hasTemplate(path: string): boolean {
  if (existsSync(join(path, 'chat_template.jinja'))) return true;
  try {
    const settings = JSON.parse(readFileSync(join(path, 'tokenizer_config.json'), 'utf8')) as {
      chat_template?: unknown;
    };
    return typeof settings.chat_template === 'string' || Array.isArray(settings.chat_template);
  } catch {
    // No file, or none that anybody could read a template from.
    return false;
  }
}
