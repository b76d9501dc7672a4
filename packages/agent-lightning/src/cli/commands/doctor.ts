import type { Command } from 'commander';
import { describeFindings } from '../../doctor/describe-findings.ts';
import { examine } from '../../doctor/examine.ts';
import { defineCommand, runAs } from '../define-command.ts';
import { exitCodes } from '../exit-codes.ts';
import { readWholeNumber } from '../read-number.ts';

interface Options {
  readonly gpu?: boolean;
  readonly model: readonly string[];
  readonly port: readonly number[];
  readonly runDirectory?: string;
  readonly offline?: boolean;
}

/** Adds `doctor`, which finds what is wrong with a machine and a project. */
export function addDoctorCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'doctor',
    summary: 'find what is wrong with this machine and this project, and say what to do',
    details:
      'Checks Node, the versions of frameworks and adapters, copies of core, the Python of the worker, the GPU, vLLM, ports, disk space, folders, models and API keys. ' +
      'What the project needs is read from lightning.config, which is not run: a missing GPU is a fault where the config trains on one, and else a note. Exit code 1 when a fault is found.',
    examples: [
      ['agent-lightning doctor', 'check this machine for what the project needs'],
      ['agent-lightning doctor --gpu --model ./Qwen3-4B', 'check whether it can train that model on a GPU'],
      ['agent-lightning doctor --port 8080 --json', 'for a program; is the port free?'],
    ],
  })
    .option('--gpu', 'require a GPU and the Python of the worker, whatever the config says')
    .option(
      '--model <directory>',
      'check a model, beside those of the config; may be repeated',
      collect<string>(String),
      [],
    )
    .option('--port <number>', 'check that a port is free; may be repeated', collect<number>(readWholeNumber(1)), [])
    .option('--run-directory <directory>', "the folder of the runs (default: the config's, else runs)")
    .option('--offline', 'do not ask providers whether they take the API keys');
  runAs<Options>(command, async ({ options, terminal }) => {
    const findings = await examine({
      directory: terminal.directory,
      environment: terminal.environment,
      models: options.model,
      ports: options.port,
      needsGpu: options.gpu === true,
      isOffline: options.offline === true,
      runDirectory: options.runDirectory,
    });
    const faults = [...new Set(findings.filter(({ status }) => status === 'fault').map(({ check }) => check))];
    return {
      text: describeFindings(findings),
      json: { ok: faults.length === 0, faults, findings },
      exitCode: faults.length === 0 ? exitCodes.ok : exitCodes.failed,
    };
  });
}

/** Returns a reader of an option that may be repeated. */
function collect<Value>(read: (text: string) => Value): (text: string, before: readonly Value[]) => readonly Value[] {
  return (text, before) => [...before, read(text)];
}
