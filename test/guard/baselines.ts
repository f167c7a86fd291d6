// The recorded quantities, and how far a new one may lie above them. `node tools/record-baselines.mjs` records them anew.
// Why only above: less is better, and is told by whoever records it. Why by Node's version: bytes depend on V8 and on Node's
// own streams; counts do not, and are compared on every version.

import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { z } from 'zod';

const file = new URL('./baselines.json', import.meta.url);
const node = `node${process.versions.node.split('.')[0]}`;
const shape = z.record(z.string(), z.record(z.string(), z.number()));

/** More than twice the spread of repeated runs (0.6 %); less than an object of one field for each token, which is 2 % and more. */
const bytesShareMax = 0.015;
const isRecording = process.env['OCTET_GUARD'] === 'record';

/** Whether bytes were recorded for this version of Node, or are about to be. */
export const knowsBytes = isRecording || Object.hasOwn(read(), node);

/** Holds bytes against what was recorded for this version of Node. */
export function expectBytes(name: string, bytes: number): void {
  const rounded = Math.round(bytes);
  if (isRecording) record(node, name, rounded);
  const recorded = recordedOf(node, name);
  expect(rounded, `${name}: bytes, ${recorded} recorded`).toBeLessThanOrEqual(recorded * (1 + bytesShareMax));
}

/** Holds a count, which must not differ at all, against what was recorded. */
export function expectCount(name: string, count: number): void {
  if (isRecording) record('counts', name, count);
  expect(count, `${name}: a count`).toBe(recordedOf('counts', name));
}

function recordedOf(group: string, name: string): number {
  const recorded = read()[group]?.[name];
  if (recorded === undefined) throw new Error(`${group} has no baseline for ${name}: node tools/record-baselines.mjs`);
  return recorded;
}

function read(): z.output<typeof shape> {
  return shape.parse(JSON.parse(readFileSync(file, 'utf8')));
}

function record(group: string, name: string, value: number): void {
  const all = read();
  all[group] = { ...all[group], [name]: value };
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
}
