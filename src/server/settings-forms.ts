// The written forms that settings take beyond plain numbers and choices: byte sizes, K:V pairs, comma lists.
// Why transforms: the rest of the program gets numbers and lists, never text that must be parsed once more.

import { z } from 'zod';
import { parseKvTypes } from '../kv-types.ts';
import { namesRecipe } from '../precision/recipes/find-recipe.ts';

const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1000,
  kib: 1024,
  m: 1024 ** 2,
  mb: 1000 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1000 ** 3,
  gib: 1024 ** 3,
  t: 1024 ** 4,
  tb: 1000 ** 4,
  tib: 1024 ** 4,
};

/** Bytes written as `512MiB`, `1.5G` or `1048576`; undefined when it is none of these. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = byteUnits[match?.[2]?.toLowerCase() ?? '?'];
  if (match === null || unit === undefined) return undefined;
  return Math.round(Number(match[1]) * unit);
}

/** A size in bytes with bounds; `emptyMeans` is what an empty text stands for, when it may be empty. */
export function byteSize(bounds: { readonly min: number; readonly max: number; readonly emptyMeans?: number }) {
  return z.union([z.string(), z.number()]).transform((given, context) => {
    if (given === '' && bounds.emptyMeans !== undefined) return bounds.emptyMeans;
    const bytes = typeof given === 'number' ? given : parseByteSize(given);
    if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= bounds.min && bytes <= bounds.max) return bytes;
    context.addIssue({ code: 'custom', message: 'not a size within the bounds' });
    return z.NEVER;
  });
}

/** `auto`, or a size in bytes with bounds. */
export function autoByteSize(bounds: { readonly min: number; readonly max: number }) {
  return z.union([z.literal('auto'), byteSize(bounds)]);
}

/** One KV type for both, or a pair K:V; the result is written short where both are the same. */
export const kvPair = z.string().transform((given, context) => {
  const parsed = parseKvTypes(given);
  if (parsed.kind === 'parsed') {
    const { k, v } = parsed.types;
    return k === v ? k : `${k}:${v}`;
  }
  context.addIssue({ code: 'custom', message: parsed.message });
  return z.NEVER;
});

/** `auto`, `file`, or what a recipe can be found by; formats and shipped recipes in lower case. */
export const weightsWish = z.string().transform((given, context) => {
  const wish = given.trim();
  const lower = wish.toLowerCase();
  if (lower === 'auto' || lower === 'file') return lower;
  if (namesRecipe(wish)) return lower.endsWith('.json') ? wish : lower;
  context.addIssue({ code: 'custom', message: 'neither a format nor a recipe' });
  return z.NEVER;
});

function isOrigin(text: string): boolean {
  return text === '*' || (URL.canParse(text) && new URL(text).origin === text);
}

/** A comma list of web origins (scheme://host[:port]) or `*`. */
export const originList = z.string().transform((given, context): readonly string[] => {
  const origins = splitList(given);
  if (!origins.every(isOrigin)) context.addIssue({ code: 'custom', message: 'not a list of origins' });
  return origins;
});

/** A comma list of API keys: printable ASCII without blanks. Text without any key is a fault: it would leave the server open. */
export const keyList = z.string().transform((given, context): readonly string[] => {
  const keys = splitList(given);
  if ((keys.length === 0 && given !== '') || !keys.every((key) => /^[\x21-\x7e]{1,512}$/.test(key))) {
    context.addIssue({ code: 'custom', message: 'not a list of keys' });
  }
  return keys;
});

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
