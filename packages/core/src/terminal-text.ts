/**
 * Sequences that a terminal obeys, and what of them may follow: CSI (colours, the cursor, clearing), and the strings OSC, DCS, SOS, PM and
 * APC (titles, links, the clipboard) up to their end. Where that is not on the same line only their beginning is taken out: what follows may
 * be a message of this project. Other escapes are two characters.
 */
const sequences =
  // oxlint-disable-next-line no-control-regex -- these are the characters that must not pass
  /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]?|(?:\u001B[\]PX^_]|[\u009D\u0090\u0098\u009E\u009F])(?:[^\u0007\u001B\u009C\n]*(?:\u0007|\u001B\\|\u009C))?|\u001B[ -/]*[0-~]?/g;

/** Control characters but for line feed and tab, and those that turn the direction of text, which can make it read as something else. */
// oxlint-disable-next-line no-control-regex -- these are the characters that must not pass
const controls = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;

/**
 * Returns a text that may come from a model, an agent or a server as a terminal may show it: sequences that a terminal would obey are taken
 * out, and other control characters are shown as `\x07`. Line feeds and tabs stay.
 */
export function toTerminalText(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(sequences, '')
    .replaceAll(controls, (character) => {
      const code = character.charCodeAt(0);
      return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
    });
}
