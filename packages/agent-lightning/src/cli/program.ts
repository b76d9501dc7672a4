import { Command } from 'commander';
import { addCompletionCommand } from './commands/completion.ts';
import { addDashboardCommand } from './commands/dashboard.ts';
import { addDevCommand } from './commands/dev.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addExportCommand } from './commands/export.ts';
import { addPromptsCommand } from './commands/prompts.ts';
import { addReportCommand } from './commands/report.ts';
import { addStoreCommand } from './commands/store.ts';
import { addKeysCommand } from './commands/keys.ts';
import { addRunnerCommand } from './commands/runner.ts';
import { addServeCommand } from './commands/serve.ts';
import { addDownloadCommand } from './commands/download.ts';
import { addGatewayCommand } from './commands/gateway.ts';
import { addSetupPythonCommand } from './commands/setup-python.ts';
import { addEvalCommand } from './commands/eval.ts';
import { addInitCommand } from './commands/init.ts';
import { addTrainCommand } from './commands/train.ts';
import { exitCodesText } from './exit-codes.ts';
import { readVersion } from './read-version.ts';

export { readVersion } from './read-version.ts';

/** Makes the program with all of its commands. */
export function createProgram(): Command {
  const program = new Command('agent-lightning')
    .description('Trains the agent that you already have.')
    .version(readVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError()
    .configureHelp({ helpWidth: 100 })
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  # run the agent a few times and see whether it can be trained
  agent-lightning dev
  # train it
  agent-lightning train --steps 40

The help of a command: agent-lightning COMMAND --help

${exitCodesText}`,
    );
  addInitCommand(program);
  addDevCommand(program);
  addTrainCommand(program);
  addEvalCommand(program);
  addReportCommand(program);
  addDashboardCommand(program);
  addExportCommand(program);
  addPromptsCommand(program);
  addStoreCommand(program);
  addGatewayCommand(program);
  addServeCommand(program);
  addRunnerCommand(program);
  addKeysCommand(program);
  addDownloadCommand(program);
  addSetupPythonCommand(program);
  addDoctorCommand(program);
  addCompletionCommand(program);
  return program;
}

/** Returns every command of a program, those within groups too, without the program itself. */
export function allCommands(program: Command): readonly Command[] {
  return program.commands.flatMap((command) => [command, ...allCommands(command)]);
}
