// Narrows a pattern to texts of certain lengths: maxLength 63 turns [a-z]+ into [a-z]{1,63}.
// Why a narrowing and not an exact intersection: every text it allows is right, and repeats stay repeats, which compile fast.
// Where several parts could take the length that is left, they share it.

import { type Lengths, lengthsOf, type Pattern } from './syntax.ts';

/** The pattern with lengths inside `[min, max]` alone; undefined when none of its texts is found to have such a length. */
export function bound(pattern: Pattern, { min, max }: Lengths): Pattern | undefined {
  const lengths = lengthsOf(pattern);
  if (lengths.min >= min && isWithin(lengths.max, max)) return pattern;
  if ((max !== undefined && lengths.min > max) || (lengths.max !== undefined && lengths.max < min)) return undefined;
  switch (pattern.kind) {
    case 'chars':
      return undefined;
    case 'choice': {
      const options = pattern.options
        .map((option) => bound(option, { min, max }))
        .filter((option) => option !== undefined);
      return options.length === 0 ? undefined : { kind: 'choice', options };
    }
    case 'sequence':
      return boundSequence(pattern.parts, { min, max });
    case 'repeat':
      return boundRepeat(pattern, { min, max });
  }
}

function isWithin(length: number | undefined, max: number | undefined): boolean {
  return max === undefined || (length !== undefined && length <= max);
}

function boundSequence(parts: readonly Pattern[], { min, max }: Lengths): Pattern | undefined {
  const lengths = parts.map(lengthsOf);
  const least = lengths.reduce((sum, length) => sum + length.min, 0);
  const extras = shareOut(
    lengths.map(({ min: from, max: to }) => (to === undefined ? undefined : to - from)),
    max === undefined ? undefined : max - least,
  );
  let missing = Math.max(0, min - least);
  const bounded: Pattern[] = [];
  for (const [index, part] of parts.entries()) {
    const from = lengths[index]?.min ?? 0;
    const extra = extras[index];
    const raised = Math.min(missing, extra ?? missing);
    const narrowed = bound(part, { min: from + raised, max: extra === undefined ? undefined : from + extra });
    if (narrowed === undefined) return undefined;
    missing -= raised;
    bounded.push(narrowed);
  }
  return missing > 0 ? undefined : { kind: 'sequence', parts: bounded };
}

/** How much longer than its least each part may be, so that all together stay within `room`; undefined means no bound. */
function shareOut(wishes: readonly (number | undefined)[], room: number | undefined): (number | undefined)[] {
  if (room === undefined) return [...wishes];
  let left = room;
  let claimants = wishes.filter((wish) => wish !== 0).length;
  const shares: (number | undefined)[] = wishes.map(() => 0);
  // Small wishes first, so that what they leave is shared among the large ones.
  const order = [...wishes.keys()].sort(
    (a, b) => (wishes[a] ?? Number.POSITIVE_INFINITY) - (wishes[b] ?? Number.POSITIVE_INFINITY),
  );
  for (const index of order) {
    const wish = wishes[index];
    if (wish === 0) continue;
    const share = Math.min(wish ?? Number.POSITIVE_INFINITY, Math.floor(left / claimants));
    shares[index] = share;
    left -= share;
    claimants -= 1;
  }
  return shares;
}

function boundRepeat(
  { of, min: countMin, max: countMax }: Extract<Pattern, { kind: 'repeat' }>,
  { min, max }: Lengths,
): Pattern | undefined {
  const once = lengthsOf(of);
  if (min > 0 && once.min === 0) return undefined;
  const from = min > 0 ? Math.max(countMin, Math.ceil(min / once.min)) : countMin;
  const to = max === undefined ? countMax : boundCount(once, { max, countMax });
  if (to !== undefined && from > to) return undefined;
  return { kind: 'repeat', of, min: from, max: to };
}

/** Most repetitions of something that stay within `max`; what has no longest length is not repeated at all. */
function boundCount(once: Lengths, limits: { max: number; countMax: number | undefined }): number | undefined {
  if (once.max === 0) return limits.countMax;
  const fitting = once.max === undefined ? 0 : Math.floor(limits.max / once.max);
  return Math.min(limits.countMax ?? fitting, fitting);
}
