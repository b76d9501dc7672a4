import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { allCommands, createProgram } from '../src/cli/program.ts';

const path = join(import.meta.dirname, '../README.md');
const [begin, end] = ['<!-- generated: help of every command -->', '<!-- end of what is generated -->'];

/** Writes the help of every command as Markdown, in the order of the program. */
function writeReference(): string {
  const sections = allCommands(createProgram())
    .filter(({ commands }) => commands.length === 0)
    .map((command) => {
      let help = '';
      command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
      const [, usage] = /^Usage: (.*)\n/.exec(help)!;
      const name = usage!.replace(/ \[.*/, '');
      return `### ${name}\n\n\`\`\`text\n${help.trim()}\n\`\`\`\n`;
    });
  return `${begin}\n\n${sections.join('\n')}\n${end}`;
}

// After a change of a command: UPDATE_README=1 npx vitest run --config ../../vitest.config.ts --root . test/readme.test.ts
it('has the help of every command in the README, as the commands print it', () => {
  const readme = readFileSync(path, 'utf8');
  const [before, rest] = readme.split(begin);
  const after = rest!.split(end)[1]!;
  const wanted = `${before}${writeReference()}${after}`;
  if (process.env['UPDATE_README'] === '1') writeFileSync(path, wanted);
  else expect(readme).toBe(wanted);
});
