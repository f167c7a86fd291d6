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

/** How a terminal wants its tables. */
export interface Look {
  readonly ink: Ink;
  readonly columns: number;
}

const plainInk: Ink = (_, text) => text;

const colorInk: Ink = (name, text) => (text === '' ? '' : `\u001b[${codes[name]}m${text}\u001b[0m`);

/** For a terminal of that many columns. */
export function lookFor(terminal: { readonly hasColor: boolean; readonly columns: number }): Look {
  return { ink: terminal.hasColor ? colorInk : plainInk, columns: terminal.columns };
}

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

export interface Table {
  readonly rows: readonly (readonly Cell[])[];
  /** One for each column. */
  readonly alignments: readonly Alignment[];
  /** Columns that a narrow terminal can do without, the first to go first. */
  readonly droppable?: readonly number[];
}

/**
 * A table as lines, two spaces between columns, within `columns` characters if dropping columns can do it. The last cell
 * of a row that ends early is a remark: it starts at its column's left edge and may reach over the ones after it.
 */
export function alignCells(table: Table, columns = Number.POSITIVE_INFINITY): string[] {
  let fitting = table;
  let kept = [...table.alignments.keys()];
  for (const dropped of table.droppable ?? []) {
    if (lineWidth(fitting) <= columns) break;
    kept = kept.filter((column) => column !== dropped);
    fitting = pickColumns(table, kept);
  }
  return linesOf(fitting);
}

function pickColumns({ rows, alignments }: Table, kept: readonly number[]): Table {
  const pick = <T>(from: readonly T[]): T[] => kept.flatMap((column) => from[column] ?? []);
  return { rows: rows.map(pick), alignments: pick(alignments) };
}

function isRemark(row: readonly Cell[], column: number, { alignments }: Table): boolean {
  return column === row.length - 1 && row.length < alignments.length;
}

function columnWidths(table: Table): number[] {
  return table.alignments.map((_, column) =>
    Math.max(0, ...table.rows.map((row) => (isRemark(row, column, table) ? 0 : (row[column]?.width ?? 0)))),
  );
}

function lineWidth(table: Table): number {
  return columnWidths(table).reduce((sum, width) => sum + 2 + width, 0);
}

function linesOf(table: Table): string[] {
  const widths = columnWidths(table);
  return table.rows.map((row) => {
    const texts = row.map(({ text, width }, column) => {
      const space = ' '.repeat(Math.max(0, (widths[column] ?? 0) - width));
      if (isRemark(row, column, table)) return text;
      return table.alignments[column] === 'right' ? space + text : text + space;
    });
    return `  ${texts.join('  ')}`.trimEnd();
  });
}
