import type { CommandWords } from './command-words.ts';

/** Writes the completion for fish. */
export function writeFish(commands: readonly CommandWords[]): string {
  const lines = commands.flatMap(({ path, commands: below, options, values }) => {
    const others = groupsWith(path, commands);
    const condition = `-n ${quote(conditionFor(path, [...below.map(({ text }) => text), ...others]))}`;
    const anywhere = `-n ${quote(conditionFor(path, others))}`;
    return [
      ...below.map(({ text, meaning }) => `${condition} -f -a ${text} -d ${quote(meaning)}`),
      ...(values.length === 0 ? [] : [`${anywhere} -f -a ${quote(values.join(' '))}`]),
      ...options.map(({ text, meaning, takesValue, choices }) => {
        const value = takesValue ? (choices === undefined ? ' -r -F' : ` -x -a ${quote(choices.join(' '))}`) : '';
        return `${below.length > 0 ? condition : anywhere} -l ${text.slice(2)}${value} -d ${quote(meaning)}`;
      }),
    ];
  });
  return `# fish completion of agent-lightning\n${lines.map((line) => `complete -c agent-lightning ${line}`).join('\n')}\ncomplete -c agl-js -w agent-lightning\n`;
}

/** Lists the groups that have a command of their own by the first word of the path, as `store` has `export`: after them the word means theirs. */
function groupsWith(path: string, commands: readonly CommandWords[]): readonly string[] {
  const [first] = path.split(' ');
  return commands
    .filter((group) => group.path !== '' && group.commands.some(({ text }) => text === first))
    .map((group) => group.path);
}

/** Returns the condition under which the words of a command are offered: its name was seen, and none of the others. */
function conditionFor(path: string, others: readonly string[]): string {
  const seen = path
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => `__fish_seen_subcommand_from ${word}`);
  const unseen = others.length === 0 ? [] : [`not __fish_seen_subcommand_from ${others.join(' ')}`];
  return [...seen, ...unseen].join('; and ') || 'true';
}

/** Quotes a text for fish, in which only a backslash and a single quote mean something between single quotes. */
function quote(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}
