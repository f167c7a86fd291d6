// Command-line flags of the benchmark programs: one zod shape gives the type, the parser and the help text.
// Why not the server's own settings: those describe a server; these describe a load, and the two never mix.
// All faults are reported at once, each with its limit and the value given.

import { parseArgs } from 'node:util';
import { z } from 'zod';

export type ParsedFlags<Flags> =
  | { readonly kind: 'flags'; readonly flags: Flags }
  | { readonly kind: 'help' }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** A whole number within bounds. */
export function countFlag(fallback: number, bounds: Bounds, meaning: string) {
  return z.coerce
    .number()
    .int()
    .min(bounds.min)
    .max(bounds.max)
    .default(fallback)
    .meta({ description: meaning, placeholder: 'N' });
}

/** Any number within bounds. */
export function numberFlag(fallback: number, bounds: Bounds, meaning: string) {
  return z.coerce
    .number()
    .min(bounds.min)
    .max(bounds.max)
    .default(fallback)
    .meta({ description: meaning, placeholder: 'X' });
}

/** Free text; empty means not given unless the meaning says otherwise. */
export function textFlag(fallback: string, meaning: string) {
  return z.string().default(fallback).meta({ description: meaning, placeholder: 'TEXT' });
}

/** One of a few words; the first is the default. */
export function choiceFlag<const Words extends readonly [string, ...string[]]>(words: Words, meaning: string) {
  const first: Words[number] = words[0];
  return z
    .enum(words)
    .prefault(first)
    .meta({ description: meaning, placeholder: words.join('|') });
}

/** Off unless named; takes no value. */
export function switchFlag(meaning: string) {
  return z.boolean().default(false).meta({ description: meaning, isSwitch: true });
}

/** Of commands that keep results: where, under which name, and whether. */
export function resultsFlags(name: string) {
  return {
    name: textFlag(name, 'of the results file'),
    resultsDirectory: textFlag('bench/results', 'where results are kept'),
    noResults: switchFlag('keep no results file'),
  };
}

/** Reads `argv` by `shape`; an option's key `promptTokens` is the flag `--prompt-tokens`. */
export function parseFlags<Shape extends z.ZodRawShape>(
  shape: Shape,
  argv: readonly string[],
): ParsedFlags<z.output<z.ZodObject<Shape>>> {
  const { given, faults } = readArguments(shape, argv);
  if (given['help'] === true) return { kind: 'help' };
  const parsed = z.object(shape).safeParse(given);
  if (parsed.success && faults.length === 0) return { kind: 'flags', flags: parsed.data };
  const issues = parsed.success ? [] : parsed.error.issues;
  return { kind: 'faults', faults: [...faults, ...issues.map((issue) => describeIssue(issue, given))] };
}

/** The help text of a shape: one flag a line with its meaning and default. */
export function describeFlags(shape: z.ZodRawShape): string {
  const rows = Object.entries(shape).map(([key, field]) => {
    const meta = z.globalRegistry.get(field);
    const left = `  --${kebab(key)}${isSwitch(field) ? '' : ` ${String(meta?.['placeholder'] ?? 'TEXT')}`}`;
    const fallback = z.object({ [key]: field }).safeParse({}).data?.[key];
    const right = meta?.description ?? '';
    return { left, right: isSwitch(field) || fallback === '' ? right : `${right} (default ${String(fallback)})` };
  });
  const width = Math.min(34, Math.max(...rows.map((row) => row.left.length)) + 2);
  return rows
    .map(({ left, right }) =>
      left.length < width ? left.padEnd(width) + right : `${left}\n${' '.repeat(width)}${right}`,
    )
    .join('\n');
}

function readArguments(shape: z.ZodRawShape, argv: readonly string[]) {
  const options = Object.fromEntries([
    ['help', { type: 'boolean' as const }],
    ...Object.entries(shape).map(([key, field]) => [
      kebab(key),
      { type: isSwitch(field) ? ('boolean' as const) : ('string' as const) },
    ]),
  ]);
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  const given: Record<string, string | boolean> = {};
  const faults: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') faults.push(`unexpected argument. Given: ${token.value}`);
    if (token.kind !== 'option') continue;
    const option = options[token.name];
    if (option === undefined) faults.push(`unknown flag. Given: ${token.rawName}`);
    else if (option.type === 'boolean') given[camel(token.name)] = true;
    else if (token.value === undefined) faults.push(`${token.rawName} needs a value`);
    else given[camel(token.name)] = token.value;
  }
  return { given, faults };
}

function describeIssue(issue: z.core.$ZodIssue, given: Readonly<Record<string, string | boolean>>): string {
  const key = String(issue.path[0] ?? '');
  return `--${kebab(key)} must be ${limitOf(issue)}. Given: ${String(given[key])}`;
}

function limitOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'too_small') return `>= ${String(issue.minimum)}`;
  if (issue.code === 'too_big') return `<= ${String(issue.maximum)}`;
  if (issue.code === 'invalid_value') return `one of ${issue.values.join(', ')}`;
  if (issue.code === 'invalid_type') return issue.expected === 'int' ? 'a whole number' : `a ${issue.expected}`;
  return `valid (${issue.message})`;
}

function isSwitch(field: z.core.$ZodType): boolean {
  return z.globalRegistry.get(field)?.['isSwitch'] === true;
}

function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
