// A plan as text and as plain data: what each tensor becomes, and what the whole takes.

import { formatBytes, formatColumns, formatCount } from '../format.ts';
import type { QuantizePlan } from './plan-weights.ts';
import { bitsPerWeight, type PlannedTensor } from './recipes/resolve.ts';
import { type PlannedScaling, stepText } from './scaling/plan-scaling.ts';

/** A line per tensor, then the sums. */
export function formatPlan(plan: QuantizePlan): string {
  const rows = plan.weights.tensors.map((tensor) => [
    tensor.name,
    tensor.shape.join(' × '),
    tensor.from === tensor.to ? tensor.to : `${tensor.from} -> ${tensor.to}`,
    formatBytes(tensor.bytes),
    noteOn(tensor),
  ]);
  const lines = formatColumns(rows, [3]);
  const steps = plan.scaling === undefined ? [] : [...formatScaling(plan.scaling), ''];
  return [...steps, ...lines, '', formatSums(plan)].join('\n');
}

/** `awq: attention-input in 6 layers, ... by the statistics in importance.gguf`: a line per step that moves scales. */
function formatScaling({ steps, groupCounts }: PlannedScaling): string[] {
  return steps.map((step) => {
    const places = step.groups.map((kind) => `${kind} in ${groupCounts.get(kind) ?? 0} layers`);
    return `${stepText(step)}: ${places.join(', ')}; activations as ${step.statistics} has them`;
  });
}

function noteOn({ insteadOf, shape }: PlannedTensor): string {
  return insteadOf === undefined ? '' : `not ${insteadOf}: rows of ${shape[0]}`;
}

/** `q4_k_m: 56 tensors, 24.9 MiB -> 8.1 MiB, 5.24 bits per weight; a file of 8,602,144 bytes`. */
export function formatSums({ label, weights, fileBytes }: QuantizePlan): string {
  const { fromBytes, bytes, valueCount, tensors } = weights;
  const bits = bitsPerWeight(bytes, valueCount).toFixed(2);
  const size = `${formatBytes(fromBytes)} -> ${formatBytes(bytes)}`;
  return `${label}: ${tensors.length} tensors, ${size}, ${bits} bits per weight; a file of ${formatCount(fileBytes)} bytes`;
}

/** The same for programs; sizes in bytes. */
export function planAsData({ source, label, scaling, weights, fileBytes, faults, warnings }: QuantizePlan) {
  const { fromBytes, bytes, valueCount } = weights;
  return {
    source,
    weights: label,
    steps: scaling?.steps ?? [],
    bytesBefore: fromBytes,
    bytesAfter: bytes,
    bitsPerWeight: bitsPerWeight(bytes, valueCount),
    fileBytes,
    faults,
    warnings,
    tensors: weights.tensors.map(({ name, shape, from, to, bytes: tensorBytes, insteadOf }) => ({
      name,
      shape,
      from,
      to,
      bytes: tensorBytes,
      ...(insteadOf === undefined ? {} : { insteadOf }),
    })),
  };
}
