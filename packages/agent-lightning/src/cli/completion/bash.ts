import type { CommandWords } from './command-words.ts';

/** Writes the completion for bash; where no word fits, bash offers files. */
export function writeBash(commands: readonly CommandWords[]): string {
  const paths = commands
    .filter(({ path }) => path !== '')
    .map(({ path }) => `      ${quote(path)}) path=${quote(path)} ;;`);
  const values = commands.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ text, choices = [] }) => `    ${quote(`${path} ${text}`)}) words=${quote(choices.join(' '))} ;;`),
  );
  const words = commands.map(
    ({ path, commands: below, options, values: own }) =>
      `    ${quote(path)}) words=${quote([...below.map(({ text }) => text), ...own, ...options.map(({ text }) => text)].join(' '))} ;;`,
  );
  return `# bash completion of agent-lightning
_agent_lightning() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" path='' words='' index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "\${path:+$path }\${COMP_WORDS[index]}" in
${paths.join('\n')}
    esac
  done
  case "$path $previous" in
${values.join('\n')}
    *) case "$path" in
${words.join('\n')}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _agent_lightning agent-lightning agl-js
`;
}

/** Quotes a text for a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
