/** Lays a table out in columns, numbers to the right and words to the left. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const pad = (cell: string, width: number): string =>
    /^[\d.]+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
  return lines
    .map((line) =>
      line
        .map((cell, column) => pad(cell, widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
