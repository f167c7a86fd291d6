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
