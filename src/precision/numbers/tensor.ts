// `octet numbers --tensor FILE:NAME` without its terminal: finds the tensor, reads it twice, sums up.
// Why twice and in parts: a tensor of 1 GB must not need 10 GB, and its largest value is wanted before the errors.

import { createTensorConversions, loadHostLibraries, type TensorConversions } from '../../llama/tensor-conversions.ts';
import { nearestName } from '../../nearest-name.ts';
import { type ErrorTotals, type FormatTrip, findTrips, sumErrors } from './format-error.ts';
import { type Extent, gatherExtent, gatherSpread, type Spread } from './statistics.ts';
import type { FormatError, TensorReport } from './tensor-report.ts';
import { type ListedTensor, listTensors, readRows } from './tensor-rows.ts';
import { toJsonNumber } from './value-report.ts';

export interface TensorOptions {
  /** Names separated by commas; the usual ones when left out. */
  readonly formats?: string | undefined;
  /** Called with 0 to 1 after each part. */
  readonly onProgress?: (fraction: number) => void;
}

/** Values in memory at a time: small enough for a processor's cache, large enough that calls do not count. */
const partValues = 2 ** 18;

/**
 * Reads `FILE:NAME` and measures it. Throws with a message for the operator: no such file, not a GGUF, no such tensor.
 * Takes about 0.2 s for a million values with the usual formats, and memory for some parts of the tensor only.
 */
export async function reportTensor(place: string, options: TensorOptions = {}): Promise<TensorReport> {
  const { file, name } = parsePlace(place);
  const conversions = createTensorConversions(loadHostLibraries(() => undefined));
  const names = options.formats?.split(',').map((text) => text.trim());
  const trips = findTrips(conversions, names);
  const tensor = findTensor(await listTensors(file, conversions), { file, name });
  const extent = await readExtent(tensor, conversions, (fraction) => options.onProgress?.(fraction * 0.1));
  const { spread, formats } = await readErrors(tensor, {
    conversions,
    trips,
    extent,
    onProgress: (fraction) => options.onProgress?.(0.1 + fraction * 0.9),
  });
  return composeReport({ file, tensor, extent, spread, formats });
}

function parsePlace(place: string): { file: string; name: string } {
  const colon = place.lastIndexOf(':');
  if (colon <= 0) throw new Error(`--tensor must be FILE:NAME, as in model.gguf:output.weight. Given: ${place}`);
  return { file: place.slice(0, colon), name: place.slice(colon + 1) };
}

function findTensor(tensors: readonly ListedTensor[], { file, name }: { file: string; name: string }): ListedTensor {
  const found = tensors.find((tensor) => tensor.name === name);
  if (found !== undefined) return found;
  const names = tensors.map((tensor) => tensor.name);
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? `It has ${namesOf(names)}` : `Did you mean ${nearest}?`;
  throw new Error(`${file} has no tensor named ${JSON.stringify(name)}. ${hint}`);
}

function namesOf(names: readonly string[]): string {
  const shown = names.slice(0, 12).join(', ');
  return names.length > 12 ? `${shown} and ${names.length - 12} more` : shown;
}

type Progress = (fraction: number) => void;

async function readExtent(tensor: ListedTensor, conversions: TensorConversions, onProgress: Progress): Promise<Extent> {
  const gatherer = gatherExtent();
  for await (const { firstRow, rowCount, values } of readRows(tensor, conversions, partValues)) {
    gatherer.add(values, firstRow * tensor.columns);
    onProgress((firstRow + rowCount) / tensor.rows);
  }
  return gatherer.result();
}

interface ErrorPass {
  readonly conversions: TensorConversions;
  readonly trips: readonly FormatTrip[];
  readonly extent: Extent;
  readonly onProgress: Progress;
}

async function readErrors(
  tensor: ListedTensor,
  { conversions, trips, extent, onProgress }: ErrorPass,
): Promise<{ spread: Spread; formats: FormatError[] }> {
  const { columns } = tensor;
  const spread = gatherSpread(extent);
  const sums = trips.map((trip) => (columns % trip.rowMultiple === 0 ? sumErrors(trip, extent.largest) : undefined));
  for await (const { firstRow, rowCount, values } of readRows(tensor, conversions, partValues)) {
    if (extent.nonFiniteCount > 0) clearNonFinite(values);
    spread.add(values);
    for (const sum of sums) sum?.add(values, columns);
    onProgress((firstRow + rowCount) / tensor.rows);
  }
  const found = spread.result();
  const formats = trips.map((trip, index) => {
    const facts = { format: trip.id, label: trip.label, bitsPerValue: trip.bitsPerValue(columns) };
    const sum = sums[index]?.result();
    if (sum !== undefined) return measured(facts, sum, { count: extent.count, squares: found.squares });
    return {
      kind: 'unfit' as const,
      ...facts,
      reason: `rows must be a multiple of ${trip.rowMultiple}; these have ${columns}`,
    };
  });
  return { spread: found, formats };
}

function clearNonFinite(values: Float32Array): void {
  for (let index = 0; index < values.length; index++) if (!Number.isFinite(values[index])) values[index] = 0;
}

function measured(
  facts: Pick<FormatError, 'format' | 'label' | 'bitsPerValue'>,
  sum: ErrorTotals,
  of: { readonly count: number; readonly squares: number },
): FormatError {
  const relative = of.squares === 0 ? Number.NaN : Math.sqrt(sum.squares / of.squares);
  return {
    kind: 'measured',
    ...facts,
    rmsError: toJsonNumber(of.count === 0 ? 0 : Math.sqrt(sum.squares / of.count)),
    maxError: toJsonNumber(sum.largest),
    relativeRms: Number.isFinite(relative) ? relative : null,
    snrDb: Number.isFinite(relative) && relative > 0 ? -20 * Math.log10(relative) : null,
    zeroedShare: of.count === 0 ? 0 : sum.zeroedCount / of.count,
  };
}

interface Findings {
  readonly file: string;
  readonly tensor: ListedTensor;
  readonly extent: Extent;
  readonly spread: Spread;
  readonly formats: FormatError[];
}

function composeReport({ file, tensor, extent, spread, formats }: Findings): TensorReport {
  const { name, type, dimensions, rows, columns } = tensor;
  return {
    tensor: {
      file,
      name,
      type: type.name,
      dimensions: [...dimensions],
      rows,
      columns,
      values: tensor.valueCount,
      bytes: tensor.byteLength,
    },
    statistics: {
      min: extent.min,
      max: extent.max,
      mean: extent.mean,
      standardDeviation: spread.standardDeviation,
      kurtosis: Number.isFinite(spread.kurtosis) ? spread.kurtosis : null,
      rms: extent.count === 0 ? 0 : Math.sqrt(spread.squares / extent.count),
      zeros: extent.zeroCount,
      nonFinite: extent.nonFiniteCount,
    },
    histogram: binsOf(extent),
    outliers: extent.outliers.map(({ value, index }) => ({
      value,
      index,
      row: Math.floor(index / columns),
      column: index % columns,
      deviations: spread.standardDeviation === 0 ? 0 : Math.abs(value - extent.mean) / spread.standardDeviation,
    })),
    formats,
  };
}

/** From the smallest size that occurs to the largest, without gaps. The highest exponent field has no numbers. */
function binsOf({ histogram }: Extent): TensorReport['histogram'] {
  const bins = Array.from({ length: 255 }, (_, field) => ({
    exponent: field - 127,
    negative: histogram[256 + field] ?? 0,
    positive: histogram[field] ?? 0,
  }));
  const isUsed = (bin: { negative: number; positive: number }): boolean => bin.negative + bin.positive > 0;
  return bins.slice(Math.max(0, bins.findIndex(isUsed)), bins.findLastIndex(isUsed) + 1);
}
