import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { ConfigurationError } from '@agent-lightning/core';
import { verdictExitCodes } from '@agent-lightning/trainer';
import { describe, expect, it } from 'vitest';
import { exitCodes } from '../src/cli/exit-codes.ts';
import { allCommands, createProgram, readVersion } from '../src/cli/program.ts';
import { runInProcess } from './run-in-process.ts';

describe('the frame of the commands', () => {
  it('has the exit codes of a verdict', () => {
    expect({ better: exitCodes.ok, worse: exitCodes.no, 'cannot-tell': exitCodes.cannotTell }).toEqual(
      verdictExitCodes,
    );
  });

  it('prints its version, and its help with exit code 0', async () => {
    expect(await runInProcess(['--version'])).toMatchObject({ exitCode: 0, output: `${readVersion()}\n` });
    const help = await runInProcess(['help', 'completion']);
    expect(help).toMatchObject({ exitCode: 0, complaints: '' });
    expect(help.output).toContain('Usage: agent-lightning completion');
  });

  it('tells a wrong command line with exit code 2, where to read more, and as JSON where that is asked for', async () => {
    expect(await runInProcess(['complete'])).toMatchObject({
      exitCode: 2,
      complaints: expect.stringContaining("unknown command 'complete'"),
    });
    const wrong = await runInProcess(['completion', 'tcsh', '--json']);
    expect(wrong).toMatchObject({
      exitCode: 2,
      complaints: expect.stringContaining('agent-lightning completion --help'),
    });
    expect(wrong.json()).toEqual({ error: { code: 'usage', message: expect.stringContaining('tcsh') } });
    expect((await runInProcess([])).exitCode).toBe(2);
  });

  it('has a help with an example for every command, whose words are commands and options that exist', () => {
    const program = createProgram();
    for (const command of allCommands(program).filter(({ commands }) => commands.length === 0)) {
      let help = '';
      command.configureOutput({ writeOut: (text) => void (help += text) });
      command.outputHelp();
      const examples =
        help
          .split('\nExamples:\n')[1]
          ?.split('\n')
          .filter((line) => line.includes('agent-lightning ')) ?? [];
      expect(examples.length, command.name()).toBeGreaterThan(0);
      for (const example of examples) expect(findUnknownOption(program, example), example).toBeUndefined();
    }
  });
});

/** Returns the first option of an example that its command does not have. */
function findUnknownOption(program: Command, example: string): string | undefined {
  const words = example
    .slice(example.indexOf('agent-lightning '))
    .replace(/[)>|].*$/, '')
    .trim()
    .split(/\s+/)
    .slice(1);
  let command = program;
  let below: Command | undefined;
  while ((below = command.commands.find((each) => each.name() === words[0])) !== undefined) {
    command = below;
    words.shift();
  }
  const known = command
    .createHelp()
    .visibleOptions(command)
    .map(({ long }) => long);
  return words.find((word) => word.startsWith('--') && !known.includes(word));
}

describe('completion', () => {
  it('completes commands, options and values in a real bash', async () => {
    const { output } = await runInProcess(['completion', 'bash']);
    const directory = mkdtempSync(join(tmpdir(), 'completion-'));
    try {
      const complete = (...words: string[]): string[] => {
        const script = `${output}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})\nCOMP_CWORD=${words.length - 1}\n_agent_lightning\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
        writeFileSync(join(directory, 'script'), script);
        return execFileSync('bash', [join(directory, 'script')], { encoding: 'utf8' })
          .trim()
          .split('\n');
      };
      expect(complete('agent-lightning', 'compl')).toEqual(['completion']);
      expect(complete('agent-lightning', 'completion', 'z')).toEqual(['zsh']);
      expect(complete('agent-lightning', 'completion', '--j')).toEqual(['--json']);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('names every command and option in the scripts of zsh and fish', async () => {
    for (const shell of ['zsh', 'fish']) {
      const { output, exitCode } = await runInProcess(['completion', shell]);
      expect(exitCode).toBe(0);
      for (const command of allCommands(createProgram())) {
        expect(output).toContain(command.name());
        for (const { long } of command.options)
          expect(output).toContain(shell === 'fish' ? `-l ${long!.slice(2)}` : long);
      }
      expect(output).toContain(shell === 'fish' ? 'complete -c agl-js -w agent-lightning' : 'agent-lightning agl-js');
    }
  });

  it('offers in fish the commands of export, and not after store, whose export is another', async () => {
    const { output } = await runInProcess(['completion', 'fish']);
    const line = output.split('\n').find((each) => each.includes('-a sft'));
    expect(line).toContain(
      `-n '__fish_seen_subcommand_from export; and not __fish_seen_subcommand_from model sft notes help prompts store' -f -a sft`,
    );
  });
});

it('tells an error of the project in one paragraph, and its stack with --verbose', async () => {
  const { defineCommand, runAs, setFrame } = await import('../src/cli/define-command.ts');
  const { tellError } = await import('../src/cli/tell-error.ts');
  const program = new Command('agent-lightning').exitOverride();
  runAs(
    defineCommand(program, { usage: 'fail', summary: 'fail', examples: [['agent-lightning fail', 'fails']] }),
    () => {
      throw new ConfigurationError('the model is a file', { code: 'option-invalid' });
    },
  );
  const tell = async (...args: string[]): Promise<readonly [number, string, string]> => {
    let [output, complaints] = ['', ''];
    const write = (text: string): void => void (output += text);
    const complain = (text: string): void => void (complaints += text);
    const terminal = {
      write,
      complain,
      environment: {},
      directory: '.',
      interruption: () => new AbortController().signal,
    };
    setFrame(program, { terminal, finish: () => undefined });
    const code = await program.parseAsync(args, { from: 'user' }).then(
      () => 0,
      (error: unknown) => tellError(error, { args, program, terminal }),
    );
    return [code, output, complaints];
  };
  expect(await tell('fail')).toEqual([1, '', 'the model is a file (option-invalid)\n']);
  expect((await tell('fail', '--verbose'))[2]).toContain('frame.test.ts');
  expect(JSON.parse((await tell('fail', '--json'))[1])).toEqual({
    error: { code: 'option-invalid', message: 'the model is a file' },
  });
});
