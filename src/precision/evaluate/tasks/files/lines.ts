// Files of one item a line: every broken line is found and named, and nothing is skipped in silence.

import type { z } from 'zod';

export interface LineFault {
  /** From 1. */
  readonly line: number;
  readonly reason: string;
}

export interface ParsedItems<T> {
  readonly items: readonly T[];
  readonly faults: readonly LineFault[];
}

/** Parses JSON lines by a schema; blank lines are no items. */
export function parseJsonLines<T>(text: string, schema: z.ZodType<T>): ParsedItems<T & { readonly line: number }> {
  const items: (T & { readonly line: number })[] = [];
  const faults: LineFault[] = [];
  for (const [index, content] of text.split(/\r?\n/).entries()) {
    if (content.trim() === '') continue;
    const line = index + 1;
    const parsed = parseLine(content, schema);
    if (parsed.kind === 'item') items.push({ ...parsed.item, line });
    else faults.push({ line, reason: parsed.reason });
  }
  return { items, faults };
}

type ParsedLine<T> = { readonly kind: 'item'; readonly item: T } | { readonly kind: 'fault'; readonly reason: string };

function parseLine<T>(content: string, schema: z.ZodType<T>): ParsedLine<T> {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    return { kind: 'fault', reason: `is no JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  const checked = schema.safeParse(value);
  if (checked.success) return { kind: 'item', item: checked.data };
  const [issue] = checked.error.issues;
  return { kind: 'fault', reason: `${issue?.path.join('.') || 'the item'}: ${issue?.message ?? 'does not fit'}` };
}

const faultsShown = 20;

/**
 * The items, or an Error that lists the broken lines by number. With `skipBroken` the broken ones are left out, and `warn`
 * is told how many and which.
 */
export function acceptItems<T>(
  { items, faults }: ParsedItems<T>,
  {
    file,
    skipBroken,
    warn,
  }: { readonly file: string; readonly skipBroken: boolean; readonly warn: (text: string) => void },
): readonly T[] {
  if (faults.length === 0) {
    if (items.length === 0) throw new Error(`${file} must have at least one item. Given: none`);
    return items;
  }
  const shown = faults.slice(0, faultsShown).map(({ line, reason }) => `  line ${line}: ${reason}`);
  const rest = faults.length > faultsShown ? [`  and ${faults.length - faultsShown} more`] : [];
  const list = [`${file} has ${faults.length} broken lines, beside ${items.length} good ones:`, ...shown, ...rest];
  if (!skipBroken) throw new Error([...list, '  --skip-broken takes the good ones alone'].join('\n'));
  warn([...list, '  left out because of --skip-broken'].join('\n'));
  return items;
}
