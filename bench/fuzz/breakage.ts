// Bodies made wrong: somewhere in a valid body a value is replaced, left out or joined by one that nobody asked for.
// Why on parsed bodies: damage to the bytes themselves is what the end-to-end test of malformed requests does.

import fc from 'fast-check';

const deep = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
const deepObject = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);

/** Wrong in type, in range or in size, or text that somebody might not be ready for. */
export const oddValues: readonly unknown[] = [
  ...[null, true, false, 0, -1, 0.5, 1e308, -1e308, 2 ** 53, -(2 ** 53), 4294967296],
  ...[
    '',
    ' ',
    '0',
    'null',
    'true',
    '\u0000',
    'a\u0000b',
    '\ud800',
    'x\udfff',
    '\u202e\u200b\ufeff',
    '\u{1f9d1}\u200d\u{1f680}',
    'e\u0301',
  ],
  ...[
    'x'.repeat(10_000),
    '\u{10ffff}'.repeat(500),
    '<|im_start|>',
    '%s%n',
    '../../etc/passwd',
    '__proto__',
    '{"a":',
    '[1,2',
  ],
  ...[[], [[]], [null], {}, { type: 'x' }, { role: 'user' }, { constructor: 1 }, JSON.parse('{"__proto__":{"a":1}}')],
  ...[deep(30), deep(500), deepObject(30), deepObject(500), Array.from({ length: 5000 }, () => 0)],
  ...[Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, index]))],
];
const oddNames = [
  'extra',
  '',
  '__proto__',
  'constructor',
  'toString',
  '\u0000',
  '\ud800',
  'x'.repeat(2000),
  'functions',
  'chat_template',
];

type Path = readonly (string | number)[];

/** Every place in a value, the value itself first. */
function placesIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const inner = Array.isArray(value)
    ? value.flatMap((entry: unknown, index) => placesIn(entry, [...path, index]))
    : Object.entries(value).flatMap(([key, entry]) => placesIn(entry, [...path, key]));
  return [path, ...inner];
}

type Change =
  | { readonly kind: 'replace'; readonly value: unknown }
  | { readonly kind: 'remove' }
  | { readonly kind: 'add'; readonly name: string; readonly value: unknown };

/** A copy of `value` with a change at `path`. */
function changed(value: unknown, path: Path, change: Change): unknown {
  const [key, ...rest] = path;
  if (key === undefined) {
    if (change.kind !== 'add') return change.kind === 'replace' ? change.value : undefined;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? withEntry(value, change.name, change.value)
      : [value, change.value];
  }
  if (Array.isArray(value)) {
    const entries = value.map((entry: unknown, index) => (index === key ? changed(entry, rest, change) : entry));
    return entries.filter((entry) => entry !== undefined);
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [name, name === key ? changed(entry, rest, change) : entry]),
  );
}

/** `__proto__` too becomes a field of the object's own. */
function withEntry(value: object, name: string, entry: unknown): object {
  return Object.fromEntries([...Object.entries(value), [name, entry]]);
}

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...oddValues).map((value) => ({ kind: 'replace' as const, value })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'remove' as const }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...oddNames), fc.constantFrom(...oddValues))
      .map(([name, value]) => ({ kind: 'add' as const, name, value })),
  },
);

/** `body` with one to three things wrong, or odd. */
export function broken(body: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const changes = fc.array(fc.tuple(fc.nat(), change), { minLength: 1, maxLength: 3 });
  return fc.tuple(body, changes).map(([sound, list]) =>
    list.reduce<unknown>((value, [at, one]) => {
      const places = placesIn(value);
      return changed(value, places[at % places.length] ?? [], one);
    }, sound),
  );
}
