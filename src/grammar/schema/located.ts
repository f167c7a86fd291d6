// A schema and where it stands in its document; references are followed here.
// Why the place is kept: faults name it, and rules are shared by it, which is what makes recursive schemas finite.

import type { Json, JsonObject } from '../types.ts';

export interface Located {
  readonly schema: Json;
  readonly path: readonly (string | number)[];
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

export function at(located: Located, ...keys: readonly (string | number)[]): Located {
  return { schema: childOf(located.schema, keys) ?? null, path: [...located.path, ...keys] };
}

function childOf(schema: Json, keys: readonly (string | number)[]): Json | undefined {
  let value: Json | undefined = schema;
  for (const key of keys) {
    if (isArray(value)) value = value[Number(key)];
    else if (isObject(value)) value = Object.hasOwn(value, key) ? value[key] : undefined;
    else return undefined;
  }
  return value;
}

/** `#/properties/tags`. */
export function pointerOf(path: readonly (string | number)[]): string {
  return ['#', ...path.map((key) => String(key).replaceAll('~', '~0').replaceAll('/', '~1'))].join('/');
}

/** What a reference inside the document stands for; undefined when it leads nowhere, or out of the document. */
export function resolveReference(root: Json, reference: string): Located | undefined {
  if (reference === '#' || reference === '#/') return { schema: root, path: [] };
  if (!reference.startsWith('#/')) return undefined;
  const keys = reference.slice(2).split('/').map(unescapeKey);
  const found = childOf(root, keys);
  return found === undefined ? undefined : { schema: found, path: keys };
}

function unescapeKey(key: string): string {
  const plain = key.replaceAll('~1', '/').replaceAll('~0', '~');
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}
