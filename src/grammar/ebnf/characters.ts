// Sets of Unicode characters as sorted, disjoint ranges of code points.

/** `[from, to]`, both inside, ascending and not touching. */
export type CharSet = readonly (readonly [from: number, to: number])[];

export const codePointMax = 0x10ffff;
/** Surrogates stand for no character by themselves. */
const surrogates: CharSet = [[0xd800, 0xdfff]];

/** Sorts and joins ranges. */
export function charSet(ranges: Iterable<readonly [number, number]>): CharSet {
  const sorted = [...ranges].sort(([a], [b]) => a - b);
  const joined: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = joined.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

/** The set of the characters of a text. */
export function charsOf(text: string): CharSet {
  return charSet([...text].map((character) => [character.codePointAt(0) ?? 0, character.codePointAt(0) ?? 0] as const));
}

export function union(...sets: readonly CharSet[]): CharSet {
  return charSet(sets.flat());
}

/** Every character that is not in the set. */
export function complement(set: CharSet): CharSet {
  const outside: [number, number][] = [];
  let from = 0;
  for (const [start, end] of union(set, surrogates)) {
    if (start > from) outside.push([from, start - 1]);
    from = end + 1;
  }
  if (from <= codePointMax) outside.push([from, codePointMax]);
  return outside;
}

/** What both have. O(ranges of both). */
export function intersect(a: CharSet, b: CharSet): CharSet {
  const both: [number, number][] = [];
  for (let left = 0, right = 0; left < a.length && right < b.length; ) {
    const [fromA = 0, toA = 0] = a[left] ?? [];
    const [fromB = 0, toB = 0] = b[right] ?? [];
    const from = Math.max(fromA, fromB);
    const to = Math.min(toA, toB);
    if (from <= to) both.push([from, to]);
    if (toA < toB) left += 1;
    else right += 1;
  }
  return both;
}

export function subtract(a: CharSet, b: CharSet): CharSet {
  return intersect(a, complement(b));
}

export function sizeOf(set: CharSet): number {
  return set.reduce((sum, [from, to]) => sum + to - from + 1, 0);
}

/** The characters one by one, ascending. Only for small sets. */
export function listChars(set: CharSet): string[] {
  return set.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, at) => String.fromCodePoint(from + at)));
}
