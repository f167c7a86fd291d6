// The number formats that the kernels store: their number in ggml and what a block of values takes.
// Why written down and not asked of the library: a file's size must be known before it is written, and a cache's capacity before
// any native library is loaded; a test holds every entry against the library.
// Source: enum ggml_type and the block structs of ggml-common.h, llama.cpp v0.5.0.

interface NumberFormatRule {
  /** enum ggml_type. */
  readonly id: number;
  /** Values per block; a row must be a multiple of it. */
  readonly blockValues: number;
  readonly blockBytes: number;
  /** `float` and `quantized` can be written by quantizing; `other` only be copied. */
  readonly kind: 'float' | 'quantized' | 'other';
}

const float = (id: number, blockBytes: number) => ({ id, blockValues: 1, blockBytes, kind: 'float' }) as const;
const other = (id: number, blockBytes: number) => ({ id, blockValues: 1, blockBytes, kind: 'other' }) as const;
const blocks = (id: number, blockValues: number, blockBytes: number) =>
  ({ id, blockValues, blockBytes, kind: 'quantized' }) as const;

export const numberFormats = {
  f32: float(0, 4),
  f16: float(1, 2),
  bf16: float(30, 2),
  q8_0: blocks(8, 32, 34),
  q6_k: blocks(14, 256, 210),
  q5_k: blocks(13, 256, 176),
  q5_1: blocks(7, 32, 24),
  q5_0: blocks(6, 32, 22),
  q4_k: blocks(12, 256, 144),
  q4_1: blocks(3, 32, 20),
  q4_0: blocks(2, 32, 18),
  iq4_nl: blocks(20, 32, 18),
  iq4_xs: blocks(23, 256, 136),
  mxfp4: blocks(39, 32, 17),
  nvfp4: blocks(40, 64, 36),
  q3_k: blocks(11, 256, 110),
  iq3_s: blocks(21, 256, 110),
  iq3_xxs: blocks(18, 256, 98),
  q2_k: blocks(10, 256, 84),
  iq2_s: blocks(22, 256, 82),
  iq2_xs: blocks(17, 256, 74),
  iq2_xxs: blocks(16, 256, 66),
  q2_0: blocks(42, 64, 18),
  tq2_0: blocks(35, 256, 66),
  tq1_0: blocks(34, 256, 54),
  iq1_m: blocks(29, 256, 56),
  iq1_s: blocks(19, 256, 50),
  q1_0: blocks(41, 128, 18),
  i8: other(24, 1),
  i16: other(25, 2),
  i32: other(26, 4),
  i64: other(27, 8),
  f64: other(28, 8),
} as const satisfies Record<string, NumberFormatRule>;
