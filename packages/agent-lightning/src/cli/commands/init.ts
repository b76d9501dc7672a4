import { Option, type Command } from 'commander';
import { askAgent } from '../../init/ask-agent.ts';
import { initProject, type InitResult } from '../../init/init-project.ts';
import { frameworks, getFramework, type FrameworkId } from '../../project/frameworks.ts';
import { defineCommand, runAs } from '../define-command.ts';
import { readVersion } from '../read-version.ts';

interface Options {
  readonly framework?: FrameworkId;
  readonly agent?: string;
  readonly yes?: boolean;
  readonly install: boolean;
}

/** Adds `init`, which sets up an existing project. */
export function addInitCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'init',
    summary: 'set up an existing project: find its agent, write lightning.config, tasks and a reward to fill in',
    details:
      'It looks for the agent in the sources, without running them, and writes `lightning.config.ts` (`.mjs` for plain JavaScript), `lightning/tasks` and ' +
      '`lightning/reward`, adds the scripts `lightning:dev` and `lightning:train` to package.json, and installs the adapter of the framework. ' +
      'It changes no file of yours but package.json, and never writes over a file; in a project that is set up it changes nothing.',
    examples: [
      ['agent-lightning init', 'find the agent, and ask where there are several'],
      ['agent-lightning init --agent src/agent.ts#graph', 'name the agent: file and export'],
      ['agent-lightning init --yes --no-install', 'ask nothing, and only tell what is to be installed'],
    ],
  })
    .addOption(new Option('--framework <id>', 'the framework of the agent').choices(frameworks.map(({ id }) => id)))
    .option('--agent <file#export>', 'the agent: a file and the name of its export')
    .option('--yes', 'ask nothing: of several agents take the first')
    .option('--no-install', 'install nothing, and tell the command that does');
  runAs<Options>(command, async ({ options, terminal, isJson }) => {
    const canAsk = options.yes !== true && !isJson && process.stdin.isTTY === true && process.stdout.isTTY === true;
    const result = await initProject({
      directory: terminal.directory,
      framework: options.framework,
      agent: options.agent,
      ask: canAsk ? askAgent : undefined,
      install: options.install,
      version: readVersion(),
    });
    return { text: describeResult(result), json: result };
  });
}

/** Tells what was done and what comes next. */
function describeResult(result: InitResult): string {
  const { framework, agent, others, written, kept, scripts, packages, installLine, installed, notes } = result;
  const config = [...written, ...kept].find((path) => path.startsWith('lightning.config')) ?? 'lightning.config';
  const reward = written.find((path) => path.includes('reward'));
  const isReady = packages.length === 0 || installed;
  return [
    ...(framework === undefined || agent === undefined
      ? []
      : [`agent     ${agent} (${getFramework(framework).title})`]),
    ...(others.length === 0
      ? []
      : [`          not taken: ${others.join(', ')}; to take one, delete ${config} and name it by --agent`]),
    ...written.map((path) => `written   ${path}`),
    ...kept.map((path) => `kept      ${path}, which is there already`),
    ...(scripts.length === 0 ? [] : [`scripts   ${scripts.join(', ')} in package.json`]),
    ...(installed ? [`installed ${packages.join(' ')}`] : []),
    ...notes.map((note) => `note      ${note}`),
    ...(written.length === 0 && scripts.length === 0 && !installed ? ['Nothing was changed.'] : []),
    '',
    'Next:',
    ...(isReady ? [] : [`  ${installLine}`]),
    `  npx agent-lightning dev        runs the agent on its own model${reward === undefined ? '' : ', with the tasks and the reward as they are'}`,
    ...(reward === undefined ? [] : [`  fill in ${reward} and ${reward.replace('reward', 'tasks')}`]),
    `  npx agent-lightning train      trains it, once ${config} has a backend`,
  ].join('\n');
}
