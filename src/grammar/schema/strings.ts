// Strings of a schema as grammar.

import { type Expression, sequence, text } from '../ebnf/expression.ts';
import { writeInString } from '../json/string-chars.ts';
import { afterString, stringOf } from '../json/text-rules.ts';
import { lowerPatterns, searchPattern, wholePattern } from '../regex/lower.ts';
import { parseRegex } from '../regex/parse.ts';
import type { Pattern } from '../regex/syntax.ts';
import type { StringConstraints } from './constraints.ts';
import { patternOfFormat } from './formats.ts';
import type { Lowering } from './lowering.ts';

/** Undefined when no string is such. */
export function lowerString(lowering: Lowering, string: StringConstraints): Expression | undefined {
  const { lengthMin: min, format } = string;
  const max = Number.isFinite(string.lengthMax) ? string.lengthMax : undefined;
  if (max !== undefined && max < min) return undefined;
  const patterns = string.patterns.flatMap((source) => readPattern(source, searchPattern));
  const whole = format === undefined ? undefined : patternOfFormat(format);
  if (whole !== undefined) patterns.push(...readPattern(whole, wholePattern));
  if (patterns.length === 0) return stringOf(lowering.rules, lowering.use, { min, max });
  return quoted(lowering, patterns, { min, max });
}

/** A JSON string whose text all of the patterns allow. */
export function quoted(
  lowering: Lowering,
  patterns: readonly Pattern[],
  lengths: { readonly min: number; readonly max: number | undefined },
): Expression | undefined {
  const key = JSON.stringify([patterns, lengths]);
  const known = lowering.texts.get(key);
  if (known !== undefined) return known;
  lowering.use('json_ws');
  const lowered = lowerPatterns(patterns, {
    rules: lowering.rules,
    name: lowering.newName('text'),
    write: writeInString,
    end: text('"'),
    lookahead: afterString,
    lengths,
  });
  if (lowered.kind === 'refused') lowering.refuse(`has a pattern that ${lowered.rule}`);
  if (lowered.kind !== 'lowered') return undefined;
  const value = sequence(text('"'), lowered.value);
  lowering.texts.set(key, value);
  return value;
}

/** Sources were read before, when the schema was; what is refused was noted then. */
export function readPattern(source: string, asPattern: typeof searchPattern): Pattern[] {
  const parsed = parseRegex(source);
  return parsed.kind === 'parsed' ? [asPattern(parsed.branches)] : [];
}
