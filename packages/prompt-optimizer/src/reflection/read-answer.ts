/**
 * Reads the new prompt from the answer of a reflection model: the text between the last pair of `<new_prompt>` tags; without tags the one fenced
 * block that there is; without either the whole answer.
 * @returns undefined when it cannot be told which text is meant: a tag is not closed, or there are several blocks
 */
export function readAnswer(answer: string): string | undefined {
  const tagged = [...answer.matchAll(/<new_prompt>((?:(?!<new_prompt>)[\s\S])*?)<\/new_prompt>/g)].at(-1)?.[1];
  if (tagged !== undefined) return tagged.trim();
  if (/<\/?new_prompt>/.test(answer)) return undefined;
  const blocks = findBlocks(answer);
  if (blocks.length > 1) return undefined;
  return (blocks[0] ?? answer).trim();
}

/** Finds fenced blocks as Markdown has them: a block ends at a fence of the same sign that is at least as long. */
function findBlocks(text: string): readonly string[] {
  const blocks: string[] = [];
  let fence: string | undefined;
  let lines: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, found, rest = ''] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (fence === undefined) {
      if (found !== undefined) [fence, lines] = [found, []];
    } else if (found !== undefined && rest.trim() === '' && found[0] === fence[0] && found.length >= fence.length) {
      blocks.push(lines.join('\n'));
      fence = undefined;
    } else lines.push(line);
  }
  return blocks;
}
