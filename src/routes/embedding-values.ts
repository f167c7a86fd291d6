// Numbers of vectors on their way out: cut, normalised, written. Pure.
// Source: the norms that llama-server's `embd_normalize` names, and OpenAI's base64 of 32-bit little-endian floats.

/** What llama-server calls norms: -1 none, 0 the largest value at 32,760, 1 taxicab, 2 Euclidean, above that the p-norm. */
export type Norm = number;

export const euclidean: Norm = 2;

/** The first `dimensions` values, at length 1 by `norm`. A vector of zeros stays one. */
export function finishVector(vector: Float32Array, norm: Norm, dimensions = vector.length): Float32Array {
  const cut = vector.subarray(0, dimensions);
  if (norm < 0) return cut;
  const length = lengthBy(cut, norm);
  return length > 0 ? cut.map((value) => value / length) : cut;
}

function lengthBy(values: Float32Array, norm: Norm): number {
  if (norm === 0) return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 32_760;
  let sum = 0;
  for (const value of values) sum += norm === 2 ? value * value : Math.abs(value) ** norm;
  return norm === 2 ? Math.sqrt(sum) : sum ** (1 / norm);
}

export function base64Of(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes.toString('base64');
}

/** The rows of a matrix that lies in one array. */
export function rowsOf(values: Float32Array, size: number): Float32Array[] {
  const count = Math.floor(values.length / size);
  return Array.from({ length: count }, (_, row) => values.subarray(row * size, (row + 1) * size));
}

/**
 * How well a pair matches, from what the ranking head said of it: 0 to 1, or the head's own first number where `isRaw`. A head
 * of one output is a logit; of several, the first is the class that matches.
 */
export function scoreOf(
  outputs: Float32Array,
  options: { readonly isProbability: boolean; readonly isRaw: boolean },
): number {
  const first = outputs[0] ?? 0;
  if (options.isRaw || options.isProbability) return first;
  if (outputs.length === 1) return 1 / (1 + Math.exp(-first));
  const most = outputs.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return Math.exp(first - most) / outputs.reduce((sum, value) => sum + Math.exp(value - most), 0);
}
