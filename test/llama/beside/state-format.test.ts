// States that are written without llama.cpp: every byte but the rows is where llama.cpp has it.

import { expect, test } from 'vitest';
import {
  readExtent,
  rowPlaces,
  type StateFormat,
  stateBytes,
  writeHeads,
} from '../../../src/llama/beside/state-format.ts';

/** Two layers, of which one has no values of its own. */
const format: StateFormat = {
  streamCount: 3,
  keys: [
    { type: 8, rowBytes: 34 },
    { type: 1, rowBytes: 6 },
  ],
  values: [{ type: 1, rowBytes: 10 }],
};

/** What a state should be, field after field. */
function fields(...parts: readonly (readonly [bytes: 4 | 8, value: number] | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => {
      if (part instanceof Uint8Array) return part;
      const [bytes, value] = part;
      const field = Buffer.alloc(bytes);
      if (bytes === 4) field.writeUInt32LE(value);
      else field.writeBigUInt64LE(BigInt(value));
      return field;
    }),
  );
}

const word = (value: number) => [4, value] as const;
const rows = (byteCount: number, mark: number) => new Uint8Array(byteCount).fill(mark);

const expected = fields(
  ...[word(0xaf143cd8), word(1), word(3), word(0), word(2)],
  ...[word(0), word(1), word(1), word(1), word(1), word(1)],
  ...[word(0), word(2)],
  ...[word(8), [8, 34] as const, rows(68, 1), word(1), [8, 6] as const, rows(12, 2)],
  ...[word(1), [8, 10] as const, rows(20, 3)],
  word(0),
);

function written(seq: number, tokenCount: number): Uint8Array {
  // Memory that held something else.
  const state = new Uint8Array(stateBytes(format, tokenCount)).fill(255);
  writeHeads(state, format, { seq, tokenCount });
  const layers = [...format.keys, ...format.values];
  for (const [index, place] of rowPlaces(format, { seq, tokenCount }).entries())
    state.fill(index + 1, place, place + tokenCount * (layers[index]?.rowBytes ?? 0));
  return state;
}

test('a state has every field of llama.cpp, and rows between them', () => {
  expect(Buffer.from(written(1, 2)).toString('hex')).toBe(Buffer.from(expected).toString('hex'));
});

test.each([0, 1, 2])(
  'a state of sequence %i says whose it is and how much it holds, also within larger memory',
  (seq) => {
    for (const tokenCount of [1, 7]) {
      const state = written(seq, tokenCount);
      const offset = 5;
      const within = new Uint8Array(state.length + 2 * offset).fill(255);
      within.set(state, offset);
      expect(readExtent(within.subarray(offset, offset + state.length), format)).toEqual({ seq, tokenCount });
    }
  },
);

test('what is cut, longer, of more sequences, empty, or not in order from the first position is no such state', () => {
  const state = written(1, 2);
  const changed = (at: number, value: number) => {
    const copy = state.slice();
    new DataView(copy.buffer).setUint32(at, value, true);
    return copy;
  };
  const others = [
    new Uint8Array(0),
    state.subarray(0, 40),
    state.subarray(0, -1),
    fields(state, word(0)),
    changed(8, 4),
    changed(16, 0),
    changed(16, 1),
    changed(20, 1),
    changed(32, 2),
  ];
  for (const other of others) expect(readExtent(other, format)).toBeUndefined();
  expect(readExtent(state, format)).toEqual({ seq: 1, tokenCount: 2 });
});
