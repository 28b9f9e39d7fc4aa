// Markdown that the bench writes: tables, numbers, and the generated part of a file.
import { readFile, writeFile } from 'node:fs/promises';

/** A table whose first column holds text and the others numbers. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(header),
    line(header.map((_, column) => (column === 0 ? '---' : '---:'))),
    ...rows.map(line),
  ];
}

/** Three significant digits, without powers of ten. */
export function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

const end = '<!-- end of figures -->';

/**
 * Writes the part of a file between a line that names the writer and the end line; the rest is
 * written by hand.
 * @param writer a command, for example `npm run bench`
 * @param title for a new file
 */
export async function writeFigures(
  path: string,
  writer: string,
  title: string,
  text: string,
): Promise<void> {
  const begin = `<!-- figures: written by ${writer} -->`;
  const old = await readFile(path, 'utf8').catch(() => `# ${title}\n\n${begin}\n${end}\n`);
  const [from, to] = [old.indexOf(begin), old.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(
      `${path} lacks the lines "${begin}" and "${end}"; put them where the figures belong`,
    );
  await writeFile(
    path,
    `${old.slice(0, from)}${begin}\n\n${text}\n${end}${old.slice(to + end.length)}`,
  );
}
