import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { JsonValue } from '@agent-lightning/core';
import { compareEvaluations, describeVerdict, verdictExitCodes } from '@agent-lightning/trainer';
import { describeEvaluation, summarizeEvaluation } from '../../evaluation/summarize-evaluation.ts';
import { readEvaluation, saveEvaluation } from '../../evaluation/saved-evaluation.ts';
import { hasBackend, openTrainer, readSource, type Overrides } from '../../config/project.ts';
import type { LightningConfig } from '../../config/define-config.ts';
import { defineCommand, runAs, type Invocation } from '../define-command.ts';
import { addProjectOptions, loadProject, type ProjectOptions } from '../project-options.ts';
import { readWholeNumber } from '../read-number.ts';

interface EvalOptions extends ProjectOptions {
  readonly of?: string;
  readonly against?: string;
  readonly againstModel?: string;
  readonly tasks?: number;
  readonly samples: number;
  readonly save?: string;
}

/** Adds `eval`, which measures an agent on held-out tasks, and compares two. */
export function addEvalCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'eval',
    summary: 'measure the agent on held-out tasks, and compare two versions or models',
    details:
      'The tasks are those of `validation` in the config; without it, those to train on run, and a warning says so. ' +
      'An agent is named by: own (the model that it asks today), base (the model of the backend, before training), a run directory (its best step) or DIRECTORY@STEP. ' +
      'A comparison runs both on the same tasks and says better (exit code 0), worse (3) or cannot tell (4), with a 95 % interval over the tasks. ' +
      'What --save writes can be compared with later, on the same tasks: another version of the code, of a prompt, of a model.',
    examples: [
      ['agent-lightning eval', 'mean and spread of the agent as it is'],
      ['agent-lightning eval --of runs/a --against base', 'is the trained agent better than before?'],
      ['agent-lightning eval --of runs/a --against own', 'is it better than the model that the agent asks today?'],
      ['agent-lightning eval --model ./a --against-model ./b', 'compare two models, untrained'],
      ['agent-lightning eval --save before.json', 'keep the rewards of today …'],
      ['agent-lightning eval --against before.json', '… and compare after a change of the agent'],
    ],
  })
    .option('--of <agent>', 'the agent to measure (default: base, or own without a backend)')
    .option('--against <agent>', 'the agent, or the file of --save, to compare with')
    .option('--against-model <model>', 'compare with the same agent on another model of the backend')
    .option('--tasks <number>', 'how many of the first tasks run (default: all)', readWholeNumber(1))
    .option('--samples <number>', 'how often each task runs', readWholeNumber(1), 4)
    .option('--save <file>', 'keep the rewards in a file of JSON');
  addProjectOptions(command);
  runAs<EvalOptions>(command, async (invocation) => {
    const { options, terminal, logger } = invocation;
    if (options.against !== undefined && options.againstModel !== undefined)
      invocation.refuse('--against and --against-model name two agents to compare with; give one of them');
    const { config, overrides } = await loadProject(invocation);
    const of = options.of ?? (hasBackend(config) ? 'base' : 'own');
    refuseUnusedModel(invocation, of);
    const { tasks, heldOut } = await readTasksToRun(config, options.tasks);
    if (!heldOut)
      logger.warn(
        'the config has no validation: these are the tasks to train on, where an agent that was trained looks better than it is; give held-out tasks as validation',
      );
    // The file is read first: where it does not fit, no rollout runs in vain.
    const saved = options.against?.endsWith('.json')
      ? await readEvaluation(resolve(terminal.directory, options.against), tasks)
      : undefined;
    const evaluate = (agent: string, changed: Overrides): ReturnType<typeof evaluateAgent> =>
      evaluateAgent(invocation, { config, overrides: { ...overrides, ...changed }, tasks, agent });
    const candidate = await evaluate(of, {});
    if (options.save !== undefined) await saveEvaluation(resolve(terminal.directory, options.save), candidate);
    const summary = summarizeEvaluation(candidate, tasks, config.taskKind);
    const name = options.model === undefined || of === 'own' ? of : `${of} with ${options.model}`;
    const baseline =
      saved ??
      (options.against !== undefined
        ? await evaluate(options.against, {})
        : options.againstModel !== undefined
          ? await evaluate(of, { model: options.againstModel })
          : undefined);
    const on = heldOut ? '' : 'on the tasks to train on, not on held-out ones:\n';
    if (baseline === undefined)
      return { text: `${on}${describeEvaluation(name, summary)}`, json: { agent: name, heldOut, ...summary } };
    const verdict = compareEvaluations(baseline, candidate);
    const other = summarizeEvaluation(baseline, tasks, config.taskKind);
    const otherName = options.against ?? `${of} with ${options.againstModel}`;
    return {
      text: `${on}${describeEvaluation(otherName, other)}\n${describeEvaluation(name, summary)}\n${name} against ${otherName}: ${describeVerdict(verdict)}`,
      json: { agent: name, heldOut, ...summary, against: { agent: otherName, ...other }, verdict },
      exitCode: verdictExitCodes[verdict.answer],
    };
  });
}

/** Refuses a model that no backend would get. */
function refuseUnusedModel({ options, refuse }: Invocation<EvalOptions>, of: string): void {
  const { model, against, againstModel } = options;
  if (of !== 'own') return;
  if (againstModel !== undefined)
    refuse(
      `--against-model ${againstModel}: own is the model that the agent asks, whatever the backend has; give --of base`,
    );
  const asksBackend = against !== undefined && against !== 'own' && !against.endsWith('.json');
  if (model !== undefined && !asksBackend)
    refuse(
      `--model ${model} is for the backend, and own is the model that the agent asks; leave it out, or give --of base`,
    );
}

interface Evaluating {
  readonly config: LightningConfig<JsonValue>;
  readonly overrides: Overrides;
  readonly tasks: readonly JsonValue[];
  readonly agent: string;
}

async function evaluateAgent(
  { options, terminal, logger }: Invocation<EvalOptions>,
  { config, overrides, tasks, agent }: Evaluating,
): ReturnType<Awaited<ReturnType<typeof openTrainer>>['trainer']['evaluate']> {
  const isOwn = agent === 'own';
  const signal = terminal.interruption();
  await using opened = await openTrainer(config, { overrides, logger, signal, hasBackend: !isOwn });
  const isNamed = isOwn || agent === 'base';
  const checkpoint = isNamed ? agent : resolve(terminal.directory, agent);
  return await opened.trainer.evaluate({ tasks, samples: options.samples, checkpoint });
}

/** Returns the held-out tasks; where the config has none, those to train on. */
async function readTasksToRun(
  config: LightningConfig<JsonValue>,
  limit: number | undefined,
): Promise<{ readonly tasks: readonly JsonValue[]; readonly heldOut: boolean }> {
  const { validation, train } = config;
  const tasks =
    validation === undefined ? await readSource('train', train) : await readSource('validation', validation);
  return { tasks: tasks.slice(0, limit), heldOut: validation !== undefined };
}
