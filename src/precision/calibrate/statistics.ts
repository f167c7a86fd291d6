// What an importance matrix says of each tensor: how large its inputs are, and how unevenly that is spread over channels.
// Why: a tensor whose sum sits in a few channels gains most from calibration, and is the first that a low format breaks.
// Source: compute_statistics() and compute_cossim() of tools/imatrix/imatrix.cpp, llama.cpp v0.5.0, and the share of the largest.

import type { MatrixEntry } from './matrix.ts';

/** Of the mean squares of a tensor's channels; matrices that no row went to are left out. */
export interface TensorStatistics {
  readonly tensor: string;
  /** Undefined outside the layers. */
  readonly layer: number | undefined;
  /** Channels of all matrices that rows went to. */
  readonly channelCount: number;
  readonly matrixCount: number;
  /** Matrices (experts) that no row went to. */
  readonly unseenCount: number;
  /** Rows of the matrix that saw most of them. */
  readonly rowCount: number;
  readonly sum: number;
  readonly mean: number;
  readonly max: number;
  readonly min: number;
  readonly deviation: number;
  /** Share of channels above 0.00001. */
  readonly activeShare: number;
  /** Share of the sum that the 1 % largest channels have. */
  readonly topShare: number;
  /** Of the channels' shares of the sum, in bits; and as part of what equal channels would have. */
  readonly entropyBits: number;
  readonly entropyShare: number;
  /** Share of channels more than one deviation above the mean. */
  readonly aboveShare: number;
  /** Cosine similarity with the same tensor one layer before. */
  readonly similarityBefore: number | undefined;
}

const activeMin = 1e-5;
const topChannels = 0.01;

/** Statistics of every tensor, those of the same part of a layer together, by layer. */
export function matrixStatistics(entries: ReadonlyMap<string, MatrixEntry>): readonly TensorStatistics[] {
  return [...entries].map(([tensor, entry]) => statisticsOf(tensor, entry, entries)).sort(byPartAndLayer);
}

function statisticsOf(tensor: string, entry: MatrixEntry, entries: ReadonlyMap<string, MatrixEntry>): TensorStatistics {
  const channels = seenChannels(entry);
  const layer = layerOf(tensor);
  const before = layer === undefined ? undefined : entries.get(tensor.replace(/^blk\.\d+\./, `blk.${layer - 1}.`));
  return {
    tensor,
    layer,
    matrixCount: entry.counts.length,
    unseenCount: entry.counts.filter((count) => count === 0).length,
    rowCount: entry.counts.reduce((most, count) => Math.max(most, count), 0),
    ...describe(channels),
    similarityBefore: before === undefined ? undefined : similarity(entry.squares, before.squares),
  };
}

function layerOf(tensor: string): number | undefined {
  const found = /^blk\.(\d+)\./.exec(tensor);
  return found === null ? undefined : Number(found[1]);
}

function seenChannels({ squares, counts }: MatrixEntry): Float64Array {
  const inputs = squares.length / counts.length;
  const means: number[] = [];
  for (const [matrix, count] of counts.entries()) {
    if (count === 0) continue;
    for (const sum of squares.subarray(matrix * inputs, (matrix + 1) * inputs)) means.push(sum / count);
  }
  return Float64Array.from(means);
}

type ChannelStatistics = Omit<
  TensorStatistics,
  'tensor' | 'layer' | 'matrixCount' | 'unseenCount' | 'rowCount' | 'similarityBefore'
>;

function describe(channels: Float64Array): ChannelStatistics {
  const channelCount = channels.length;
  if (channelCount === 0) return nothingSeen;
  const sorted = channels.slice().sort().reverse();
  const sum = sorted.reduce((total, value) => total + value, 0);
  const mean = sum / channelCount;
  const variance = sorted.reduce((total, value) => total + (value - mean) ** 2, 0) / channelCount;
  const deviation = Math.sqrt(variance);
  const top = sorted.subarray(0, Math.max(1, Math.round(channelCount * topChannels)));
  const entropyBits = entropyOf(sorted, sum);
  return {
    channelCount,
    sum,
    mean,
    deviation,
    max: sorted[0] ?? 0,
    min: sorted.at(-1) ?? 0,
    activeShare: sorted.filter((value) => value > activeMin).length / channelCount,
    topShare: sum > 0 ? top.reduce((total, value) => total + value, 0) / sum : 0,
    entropyBits,
    entropyShare: channelCount > 1 ? entropyBits / Math.log2(channelCount) : 1,
    aboveShare: deviation > 0 ? sorted.filter((value) => value > mean + deviation).length / channelCount : 0,
  };
}

const nothingSeen: ChannelStatistics = {
  channelCount: 0,
  sum: 0,
  mean: 0,
  deviation: 0,
  max: 0,
  min: 0,
  activeShare: 0,
  topShare: 0,
  entropyBits: 0,
  entropyShare: 0,
  aboveShare: 0,
};

function entropyOf(values: Float64Array, sum: number): number {
  let bits = 0;
  for (const value of values) if (value > 0) bits -= (value / sum) * Math.log2(value / sum);
  return bits;
}

function similarity(a: Float32Array, b: Float32Array): number | undefined {
  if (a.length !== b.length) return undefined;
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let index = 0; index < a.length; index++) {
    const [x, y] = [a[index] ?? 0, b[index] ?? 0];
    product += x * y;
    squaresA += x * x;
    squaresB += y * y;
  }
  return squaresA > 0 && squaresB > 0 ? product / Math.sqrt(squaresA * squaresB) : undefined;
}

function byPartAndLayer(a: TensorStatistics, b: TensorStatistics): number {
  const [partA, partB] = [partOf(a.tensor), partOf(b.tensor)];
  if (partA !== partB) return partA < partB ? -1 : 1;
  return (a.layer ?? -1) - (b.layer ?? -1);
}

function partOf(tensor: string): string {
  return tensor.replace(/^blk\.\d+\./, '');
}
