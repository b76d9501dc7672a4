import { quote } from './bash.ts';
import type { CommandWords } from './command-words.ts';

/** Writes the completion for zsh, with what each word means; where no word fits, zsh offers files. */
export function writeZsh(commands: readonly CommandWords[]): string {
  const paths = commands
    .filter(({ path }) => path !== '')
    .map(({ path }) => `      ${quote(path)}) place=${quote(path)} ;;`);
  const values = commands.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(
        ({ text, choices = [] }) =>
          `    ${quote(`${path} ${text}`)}) ${choices.length === 0 ? '_files' : `compadd -- ${choices.map(quote).join(' ')}`}; return ;;`,
      ),
  );
  const words = commands.map(({ path, commands: below, options, values: own }) => {
    const entries = [...below, ...own.map((text) => ({ text, meaning: '' })), ...options];
    const described = entries.map(({ text, meaning }) => quote(`${text.replaceAll(':', '\\:')}:${meaning}`));
    return `    ${quote(path)}) entries=(${described.join(' ')}) ;;`;
  });
  return `#compdef agent-lightning agl-js
_agent_lightning() {
  local place='' index
  local -a entries
  for ((index = 2; index < CURRENT; index++)); do
    case "\${place:+$place }\${words[index]}" in
${paths.join('\n')}
    esac
  done
  case "$place \${words[CURRENT - 1]}" in
${values.join('\n')}
  esac
  case "$place" in
${words.join('\n')}
  esac
  _describe 'agent-lightning' entries || _files
}
compdef _agent_lightning agent-lightning agl-js
`;
}
