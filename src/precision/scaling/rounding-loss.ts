// What quantizing a group's readers would do to their outputs, at given scales.
// Why the real quantizers and not a model of them: formats differ in blocks, scales and search, and a scale that helps one may
// hurt another. Why squares of activations as weights: the expected squared error of an output is the sum over its inputs of
// activation² × error² as long as errors of weights are independent; no activations have to be kept for that.

import { must } from '../../assert.ts';
import type { TensorConversions } from '../../llama/tensor-conversions.ts';
import { columnScales } from './fold.ts';
import type { ScalingGroup } from './groups.ts';
import type { Reader } from './readers.ts';

export interface LossParts {
  readonly group: ScalingGroup;
  readonly readers: readonly Reader[];
  readonly conversions: TensorConversions;
  /** Mean squared activation of each column of a reader, before scaling. */
  readonly meanSquares: ReadonlyMap<string, Float32Array>;
  /** Largest absolute activation of each column of a reader, before scaling; of those whose file tells it. */
  readonly maxima: ReadonlyMap<string, Float32Array>;
  /** The same as rounding will weigh it; undefined where it weighs all alike. */
  readonly importance: ReadonlyMap<string, Float32Array> | undefined;
}

/** Error against output, in squares, added over the readers: so that none counts more because its weights are large. */
export function roundingLoss(scales: Float32Array, { group, readers, ...parts }: LossParts): number {
  const columns = columnScales(group, scales);
  return readers.reduce((sum, reader) => sum + lossOf(reader, columns, parts), 0);
}

function lossOf(
  { name, type, values, columns }: Reader,
  scales: Float32Array,
  { conversions, meanSquares, importance }: Omit<LossParts, 'group' | 'readers'>,
): number {
  const target = must(conversions.byName(type), `ggml has ${type}`);
  const weights = must(meanSquares.get(name), `${name} has statistics`);
  const scaled = values.map((value, index) => value * (scales[index % columns] ?? 1));
  const weighed = importance?.get(name)?.map((mean, column) => mean / (scales[column] ?? 1) ** 2);
  const bytes = conversions.quantize(target, scaled, {
    rowLength: columns,
    ...(weighed === undefined ? {} : { importance: weighed }),
  });
  const rounded = conversions.dequantize(target, bytes, values.length);
  let error = 0;
  let output = 0;
  for (let index = 0; index < values.length; index++) {
    const column = index % columns;
    const value = values[index] ?? 0;
    const off = (rounded[index] ?? 0) / (scales[column] ?? 1) - value;
    error += (weights[column] ?? 0) * off * off;
    output += (weights[column] ?? 0) * value * value;
  }
  return output === 0 ? 0 : error / output;
}
