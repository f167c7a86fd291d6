// What a number format is, in types: a float by itself, or a block of values that share a scale.
// Why two kinds: a float's code means one value anywhere; an element of a block means nothing without the block's scale.
// Codes are plain integers, the bits as the format stores them, so that they can be shown, compared and counted.

/** Bits of a code by field, highest first; the widths add up to the format's bits. */
export interface FloatFields {
  /** 0 where the format has no negative numbers (shared scales). */
  readonly signBits: 0 | 1;
  readonly exponentBits: number;
  readonly mantissaBits: number;
  /** An exponent field of e > 0 stands for 2^(e - bias). */
  readonly bias: number;
}

/** What becomes of a number that rounds to more than the largest. */
export type Overflow = 'infinity' | 'saturate';

/** Magnitudes. A format without subnormal numbers has its smallest normal as `smallest`. */
export interface FloatRange {
  readonly largest: number;
  readonly smallestNormal: number;
  /** The smallest above zero. */
  readonly smallest: number;
}

/** Codes are integers below 2^bits; every finite value of a format is exact as a JavaScript number. */
export interface FloatFormat {
  /** As in JSON and options: `fp8_e4m3`. */
  readonly id: string;
  /** As people write it: `fp8 E4M3`. */
  readonly label: string;
  readonly bits: number;
  readonly fields: FloatFields;
  readonly range: FloatRange;
  readonly overflow: Overflow;
  /** Undefined where the format cannot express it. */
  readonly infinityCode: number | undefined;
  readonly nanCode: number | undefined;
  /** Codes from this one up to the sign bit are no finite numbers. */
  readonly finiteCodeCount: number;
  /**
   * Nearest code, ties to the even one, in a single rounding from the 64-bit number. What is too large follows `overflow`;
   * NaN becomes `nanCode`; -0 keeps its sign. Formats without NaN or sign answer code 0 for what they cannot express.
   */
  encode(value: number): number;
  /** The exact value; NaN for every code that is none. */
  decode(code: number): number;
  /** Distance of neighbouring numbers around a stored value: one unit in the last place. NaN unless finite. */
  spacing(stored: number): number;
}

/** What a block needs of its scale's format: how its code reads. Each block format has its own rule to choose the code. */
export type ScaleFormat = Pick<FloatFormat, 'label' | 'bits' | 'fields' | 'decode'>;

/** An element of a block: an integer, or a small float. Its value times the scale is what is stored. */
export type ElementFormat =
  | { readonly kind: 'integer'; readonly bits: number; readonly smallest: number; readonly largest: number }
  | { readonly kind: 'float'; readonly format: FloatFormat };

/** One block, as codes. */
export interface EncodedBlock {
  readonly scaleCode: number;
  /** Shape (blockValues,). */
  readonly codes: Uint8Array;
}

export interface BlockFormat {
  readonly id: string;
  readonly label: string;
  /** Values that share a scale. */
  readonly blockValues: number;
  /** Native storage needs rows that are multiples of this: several blocks may be packed together. */
  readonly rowMultiple: number;
  /** The scale's share included. */
  readonly bitsPerValue: number;
  readonly scale: ScaleFormat;
  readonly element: ElementFormat;
  /** Magnitudes over all scales; every block has its own, much smaller range. */
  readonly range: { readonly largest: number; readonly smallest: number };
  /** No value moves by more than this share of its block's largest, as long as the scale is in its own normal range. */
  readonly worstError: number;
  /** Encodes float32 values, shape (blockValues,); they must be finite. */
  encode(values: Float32Array): EncodedBlock;
  /** The scale as a number. */
  scaleOf(block: EncodedBlock): number;
  /** What a code is multiplied with the scale: an integer, or a small float. */
  elementOf(code: number): number;
  /**
   * Encodes and decodes in one pass; shapes (n * blockValues,), also in place. Equal to the native library's quantizing and
   * dequantizing for finite values.
   */
  roundTrip(values: Float32Array, to: Float32Array): void;
}
