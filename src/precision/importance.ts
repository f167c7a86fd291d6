// Importance matrices as quantizing uses them: how much each input of a matrix product weighs, and whether a plan can do with them.
// Why averages: the file holds sums of squared activations and how many rows went into them, per expert.
// Source: tools/quantize/quantize.cpp of llama.cpp v0.5.0.

import { basename } from 'node:path';
import type { TensorTypeName } from '../llama/tensor-types.ts';
import { type MatrixFile, meanSquares } from './calibrate/matrix.ts';
import { readMatrixFile } from './calibrate/matrix-file.ts';
import type { PlannedTensor, WeightPlan } from './recipes/resolve.ts';

export interface Importance {
  /** Mean squared activation of each input, by tensor. Shape (inputs × experts,). */
  readonly byTensor: ReadonlyMap<string, Float32Array>;
  /** Largest absolute activation of each input, by tensor; of those whose file tells it. Shape (inputs × experts,). */
  readonly maximaByTensor: ReadonlyMap<string, Float32Array>;
  /** Where it came from, as llama-quantize notes it in the files it makes. */
  readonly metadata: Readonly<Record<string, string | number>>;
}

/** Reads the file; throws with a message for the operator when it is no importance matrix or a part is broken. */
export async function readImportance(path: string): Promise<Importance> {
  const file = await readMatrixFile(path);
  const byTensor = new Map([...file.entries].map(([name, entry]) => [name, meanSquares(entry)]));
  const maximaByTensor = new Map(
    [...file.entries].flatMap(([name, { maxima }]) => (maxima === undefined ? [] : [[name, maxima]])),
  );
  return { byTensor, maximaByTensor, metadata: originOf(file, path) };
}

function originOf({ datasets, chunkCount, entries }: MatrixFile, path: string): Record<string, string | number> {
  const [dataset] = datasets;
  return {
    'quantize.imatrix.file': basename(path),
    ...(dataset === undefined ? {} : { 'quantize.imatrix.dataset': basename(dataset) }),
    'quantize.imatrix.entries_count': entries.size,
    ...(chunkCount === undefined ? {} : { 'quantize.imatrix.chunks_count': chunkCount }),
  };
}

/** Cannot be made without importance at all; the kernels would end the process. */
const always: readonly TensorTypeName[] = ['iq2_xxs', 'iq2_xs', 'iq1_s'];
/** Come out as garbage without it, but for the tables at a model's edges. */
const inside: readonly TensorTypeName[] = ['iq3_xxs', 'iq2_s', 'iq1_m'];
const edges: readonly string[] = ['token_embd.weight', 'per_layer_token_embd.weight', 'output.weight'];

/** What speaks against making the plan with this importance, or without any; each a sentence. */
export function importanceFaults(plan: WeightPlan, importance: Importance | undefined, isSmallMix = false): string[] {
  const changed = plan.tensors.filter(({ from, to }) => from !== to);
  const unlike = importance === undefined ? [] : mismatches(plan, importance);
  const lacking = changed.filter(
    (tensor) => needsImportance(tensor, isSmallMix) && importance?.byTensor.has(tensor.name) !== true,
  );
  const [first] = lacking;
  if (first === undefined) return unlike;
  const more = lacking.length === 1 ? '' : ` and ${lacking.length - 1} more`;
  const why = importance === undefined ? 'none was given (--imatrix FILE)' : 'the given one has none for it';
  return [...unlike, `${first.to} needs an importance matrix, and ${why}: ${first.name}${more}`];
}

/** `isSmallMix`: in q2_k_s, q2_k needs it too. */
function needsImportance({ name, to }: PlannedTensor, isSmallMix: boolean): boolean {
  if (always.includes(to)) return true;
  return !edges.includes(name) && (inside.includes(to) || (isSmallMix && to === 'q2_k'));
}

function mismatches(plan: WeightPlan, { byTensor }: Importance): string[] {
  const known = plan.tensors.filter(({ name }) => byTensor.has(name));
  if (known.length === 0) return ["the importance matrix is of another model: it names none of this one's tensors"];
  return known.flatMap(({ name, shape }) => {
    const expected = (shape[0] ?? 1) * (shape[2] ?? 1);
    const given = byTensor.get(name)?.length;
    return given === expected
      ? []
      : [`the importance matrix must have ${expected} values for ${name}. Given: ${given}`];
  });
}
