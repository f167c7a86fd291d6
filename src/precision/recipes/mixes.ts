// The mixes of llama.cpp: names that stand for a choice of formats, one for each tensor.
// Why asked of llama.cpp and not written down here: which tensor gets more bits depends on architecture, layer, heads and
// experts, in two hundred lines that change with each release; a file called q4_k_m must be what it makes of it.
// Why q1_0 is missing: its mix gives up on rows that do not divide by 128; as a number format in a recipe it can be had.
// Source: QUANT_OPTIONS of tools/quantize/quantize.cpp and enum llama_ftype, llama.cpp v0.5.0.

/** Mixes by name: their file type (enum llama_ftype). */
export const mixes = {
  q6_k: 18,
  q5_k_m: 17,
  q5_k_s: 16,
  q5_1: 9,
  q5_0: 8,
  q4_k_m: 15,
  q4_k_s: 14,
  q4_1: 3,
  q4_0: 2,
  iq4_nl: 25,
  iq4_xs: 30,
  q3_k_l: 13,
  q3_k_m: 12,
  q3_k_s: 11,
  iq3_m: 27,
  iq3_s: 26,
  iq3_xs: 22,
  iq3_xxs: 23,
  q2_k: 10,
  q2_k_s: 21,
  q2_0: 41,
  iq2_m: 29,
  iq2_s: 28,
  iq2_xs: 20,
  iq2_xxs: 19,
  tq2_0: 37,
  tq1_0: 36,
  iq1_m: 31,
  iq1_s: 24,
} as const satisfies Record<string, number>;

export type MixName = keyof typeof mixes;

export function isMixName(name: string): name is MixName {
  return Object.hasOwn(mixes, name);
}
