// Sizes and counts in words for operators: `7.9 GiB`, `65,536`.

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Bytes in the largest unit that keeps the number at 1 or more, with one decimal place beyond bytes. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let index = 0;
  // 1023.95 would be printed as 1024.0.
  while (Math.abs(value) >= 1023.95 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${index === 0 ? Math.round(value) : value.toFixed(1)} ${units[index]}`;
}

/** A count with thousands separators. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** Rows of cells as lines, each column as wide as its widest cell; columns named in `right` are flush right. */
export function formatColumns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const columnCount = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columnCount }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}
