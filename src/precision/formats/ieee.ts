// The three floats that weights and activations come in: fp32, fp16 and bf16. All overflow to infinity, as IEEE 754 says.
// Why bf16 beside fp16: it has the exponent of fp32 and so its range, and pays with three bits of mantissa.
// Source: IEEE 754-2019 for binary32 and binary16; bf16 is binary32 cut to its upper half, rounded.

import { defineFloat } from './float-format.ts';

export const fp32 = defineFloat({
  id: 'fp32',
  label: 'fp32',
  fields: { signBits: 1, exponentBits: 8, mantissaBits: 23, bias: 127 },
  topCodes: 'ieee',
  overflow: 'infinity',
});

export const fp16 = defineFloat({
  id: 'fp16',
  label: 'fp16',
  fields: { signBits: 1, exponentBits: 5, mantissaBits: 10, bias: 15 },
  topCodes: 'ieee',
  overflow: 'infinity',
});

export const bf16 = defineFloat({
  id: 'bf16',
  label: 'bf16',
  fields: { signBits: 1, exponentBits: 8, mantissaBits: 7, bias: 127 },
  topCodes: 'ieee',
  overflow: 'infinity',
});
