// The two 8-bit floats: E4M3 for weights and activations, E5M2 where range matters more than precision.
// Why they overflow differently here: E4M3 gave its infinities up for one more binade (only S.1111.111 is NaN), so numbers too
// large saturate at 448, infinities too; E5M2 is a short fp16 with infinities of its own, and overflows to them.
// The specification leaves both open to saturating or not; converters for inference saturate E4M3, and so does this one.
// Source: OCP 8-bit Floating Point Specification 1.0.

import { defineFloat } from './float-format.ts';

export const fp8E4M3 = defineFloat({
  id: 'fp8_e4m3',
  label: 'fp8 E4M3',
  fields: { signBits: 1, exponentBits: 4, mantissaBits: 3, bias: 7 },
  topCodes: 'nan',
  overflow: 'saturate',
});

export const fp8E5M2 = defineFloat({
  id: 'fp8_e5m2',
  label: 'fp8 E5M2',
  fields: { signBits: 1, exponentBits: 5, mantissaBits: 2, bias: 15 },
  topCodes: 'ieee',
  overflow: 'infinity',
});
