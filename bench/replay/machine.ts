// What steps take on a machine, as measured: by sequences, by rows of each, and for each token of a prompt.

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { must } from '../../src/assert.ts';
import { ownCount, type StepPlan } from '../../src/scheduler/step-plan.ts';

/** Rows of each sequence and milliseconds, rising. */
const curve = z.array(z.tuple([z.number().positive(), z.number().positive()])).min(2);

const machineSchema = z.object({
  name: z.string(),
  promptTokenMs: z.number().positive(),
  /** For so many sequences, rising; the first is one sequence. */
  curves: z.array(z.object({ sequenceCount: z.int().positive(), steps: curve })).min(2),
});

export type Machine = z.output<typeof machineSchema>;

/** The machines of a file. Throws an Error that says what is wrong with it. */
export function readMachines(path: string): readonly Machine[] {
  const parsed = z.object({ machines: z.array(machineSchema) }).safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (!parsed.success) throw new Error(`${path} holds no measured machines: ${z.prettifyError(parsed.error)}`);
  return parsed.data.machines;
}

/** Milliseconds of the plan's step, and of the same without guesses. */
export function stepCost(machine: Machine, { chunks }: StepPlan): { readonly ms: number; readonly plainMs: number } {
  const decoding = chunks.filter((chunk) => ownCount(chunk) === 1 && chunk.draws);
  const promptTokens = chunks.reduce((sum, chunk) => sum + ownCount(chunk), 0) - decoding.length;
  // With slabs all sequences get as many rows as the one with most.
  const rows = decoding.reduce((most, { count }) => Math.max(most, count), 1);
  const promptMs = promptTokens * machine.promptTokenMs;
  return { ms: promptMs + decodeMs(machine, decoding.length, rows), plainMs: decodeMs(machine, decoding.length, 1) };
}

function decodeMs({ curves }: Machine, sequenceCount: number, rows: number): number {
  if (sequenceCount === 0) return 0;
  const points = curves.map((each) => [each.sequenceCount, along(each.steps, rows)] as const);
  return along(points, sequenceCount);
}

/** Straight lines between points; beyond the last one in proportion. */
function along(points: readonly (readonly [number, number])[], x: number): number {
  const last = must(points.at(-1), 'a point');
  if (x >= last[0]) return (last[1] * x) / last[0];
  const upper = must(
    points.find((point) => point[0] >= x),
    'a point',
  );
  const lower = points.filter((point) => point[0] < x).at(-1);
  if (lower === undefined || upper[0] === x) return upper[1];
  return lower[1] + ((upper[1] - lower[1]) * (x - lower[0])) / (upper[0] - lower[0]);
}
