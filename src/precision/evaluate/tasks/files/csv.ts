// Comma-separated values with quotes (RFC 4180): fields may hold commas, quotes and line ends.

export interface CsvRow {
  /** Line on which the row begins, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** Rows of a CSV text; blank lines are none. O(length). */
export function parseCsv(text: string): readonly CsvRow[] {
  const rows: CsvRow[] = [];
  // A field, quoted or not, and what ends it.
  const pattern = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;
  let fields: string[] = [];
  let line = 1;
  let startLine = 1;
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text);
    if (found === null) throw new Error(`line ${line}: a quoted field must end before a comma or the end of its line`);
    const [whole, quoted, plain, end] = found;
    fields.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'));
    line += whole.split('\n').length - 1;
    if (end === ',') continue;
    if (fields.length > 1 || fields[0] !== '') rows.push({ line: startLine, fields });
    fields = [];
    startLine = line;
  }
  if (fields.length > 0) rows.push({ line: startLine, fields: text.endsWith(',') ? [...fields, ''] : fields });
  return rows;
}
