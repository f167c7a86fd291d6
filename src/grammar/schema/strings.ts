// Strings of a schema as grammar.

import { type Expression, sequence, text } from '../ebnf/expression.ts';
import { writeInString } from '../json/string-chars.ts';
import { stringOf } from '../json/text-rules.ts';
import { lowerRegex } from '../regex/lower.ts';
import type { StringConstraints } from './constraints.ts';
import { patternOfFormat } from './formats.ts';
import type { Lowering } from './lowering.ts';

/** Undefined when no string has such a length. */
export function lowerString(lowering: Lowering, string: StringConstraints): Expression | undefined {
  const { lengthMin, patterns } = string;
  const max = Number.isFinite(string.lengthMax) ? string.lengthMax : undefined;
  if (max !== undefined && max < lengthMin) return undefined;
  const formatPattern = string.format === undefined ? undefined : patternOfFormat(string.format);
  const sources = [
    ...patterns.map((source) => ({ source, match: 'search' as const })),
    ...(formatPattern === undefined ? [] : [{ source: formatPattern, match: 'whole' as const }]),
  ];
  const [only, ...others] = sources;
  if (only === undefined) return stringOf(lowering.rules, lowering.use, { min: lengthMin, max });
  if (others.length > 0)
    lowering.refuse('joins several patterns or a pattern and a format, which are not enforced together');
  const use = { match: only.match, write: writeInString, lengths: { min: lengthMin, max } };
  const lowered = lowerRegex(only.source, use);
  if (lowered.kind === 'refused') {
    lowering.refuse(`has a pattern that ${lowered.rule}`);
    return undefined;
  }
  return sequence(text('"'), lowered.value, text('"'));
}
