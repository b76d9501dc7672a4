import { Argument, type Command } from 'commander';
import { describeCommands, type CommandWords } from '../completion/command-words.ts';
import { writeBash } from '../completion/bash.ts';
import { writeFish } from '../completion/fish.ts';
import { writeZsh } from '../completion/zsh.ts';
import { defineCommand, runAs } from '../define-command.ts';

const writers: Readonly<Record<string, (commands: readonly CommandWords[]) => string>> = {
  bash: writeBash,
  zsh: writeZsh,
  fish: writeFish,
};

/** Adds `completion`, which writes the completion of the whole program for a shell. */
export function addCompletionCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'completion',
    summary: 'print a script that completes commands and options in your shell',
    examples: [
      ['source <(npx agent-lightning completion bash)', 'bash: for this shell; put the line into ~/.bashrc to keep it'],
      ['source <(npx agent-lightning completion zsh)', 'zsh: after compinit; put the line into ~/.zshrc to keep it'],
      ['npx agent-lightning completion fish > ~/.config/fish/completions/agent-lightning.fish', 'fish: for good'],
    ],
  }).addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(writers)));
  runAs(command, (invocation) => {
    const shell = invocation.arguments[0]!;
    const script = writers[shell]!(describeCommands(program));
    return { text: script.trimEnd(), json: { shell, script } };
  });
}
