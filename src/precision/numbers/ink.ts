// Colour for the tables, or none: every place that colours text asks an ink, and the plain one leaves it as it is.
// Why by meaning and not by colour: a field has one colour in every table, and the legend under it names them.

const codes = {
  sign: 35,
  exponent: 32,
  mantissa: 36,
  integer: 33,
  quiet: 2,
  strong: 1,
  good: 32,
  fair: 33,
  bad: 31,
  negative: 34,
  positive: 36,
} as const;

export type InkName = keyof typeof codes;

export type Ink = (name: InkName, text: string) => string;

export const plainInk: Ink = (_, text) => text;

export const colorInk: Ink = (name, text) => (text === '' ? '' : `\u001b[${codes[name]}m${text}\u001b[0m`);

/** A cell of a table: text whose width is known apart from its colour codes. */
export interface Cell {
  readonly text: string;
  readonly width: number;
}

/** A cell in one colour, or in none. */
export function cell(text: string, color?: (text: string) => string): Cell {
  return { text: color === undefined ? text : color(text), width: text.length };
}

/** Cells put side by side without space. */
export function joinCells(cells: readonly Cell[], between = ''): Cell {
  const shown = cells.filter(({ width }) => width > 0);
  const width = shown.reduce((sum, part) => sum + part.width, 0) + between.length * Math.max(0, shown.length - 1);
  return { text: shown.map(({ text }) => text).join(between), width };
}

export type Alignment = 'left' | 'right';

/**
 * Rows of cells as lines, two spaces between columns; columns are as wide as their widest cell. The last cell of a row
 * that ends early is a remark: it starts at its column's left edge and may reach over the ones after it.
 */
export function alignCells(rows: readonly (readonly Cell[])[], alignments: readonly Alignment[]): string[] {
  const isRemark = (row: readonly Cell[], column: number): boolean =>
    column === row.length - 1 && row.length < alignments.length;
  const widths = alignments.map((_, column) =>
    Math.max(0, ...rows.map((row) => (isRemark(row, column) ? 0 : (row[column]?.width ?? 0)))),
  );
  return rows.map((row) => {
    const texts = row.map(({ text, width }, column) => {
      const space = ' '.repeat(Math.max(0, (widths[column] ?? 0) - width));
      if (isRemark(row, column)) return text;
      return alignments[column] === 'right' ? space + text : text + space;
    });
    return `  ${texts.join('  ')}`.trimEnd();
  });
}
