/** A way that a document shows: files to write, and commands to type in their order. */
export interface Way {
  readonly files: readonly { readonly name: string; readonly content: string }[];
  readonly commands: readonly string[];
}

/**
 * Reads a way from a document: each fence ` ```ts [NAME] ` is a file, and each line of the fences ` ```sh ` is a command.
 * @throws {TypeError} when the document has no file or no command
 */
export function readWay(markdown: string): Way {
  const fences = [...markdown.replaceAll('\r\n', '\n').matchAll(/^```(\S+)(?: \[([^\]]+)\])?\n([\s\S]*?)^```$/gm)];
  const files = fences.flatMap(([, , name, content]) =>
    name === undefined || content === undefined ? [] : [{ name, content }],
  );
  const commands = fences
    .filter(([, language]) => language === 'sh')
    .flatMap(([, , , content = '']) => content.split('\n'))
    .map((line) => line.replace(/ +#.*$/, '').trim())
    .filter((line) => line !== '');
  if (files.length === 0 || commands.length === 0)
    throw new TypeError(`a way needs files and commands; this document has ${files.length} and ${commands.length}`);
  return { files, commands };
}
