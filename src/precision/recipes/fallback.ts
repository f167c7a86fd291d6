// What a tensor gets when its rows do not divide into the blocks of the format it should have.
// Source: tensor_type_fallback in src/llama-quant.cpp, llama.cpp v0.5.0, which gives up on nvfp4 and q1_0; here they fall back too.

import { fitsRow, type TensorTypeName } from '../../llama/tensor-types.ts';

/** Formats with smaller blocks; those of 32 values are not listed: nothing is smaller. */
const smaller: Readonly<Partial<Record<TensorTypeName, TensorTypeName>>> = {
  q6_k: 'q8_0',
  q5_k: 'q5_1',
  q4_k: 'q5_0',
  iq4_xs: 'iq4_nl',
  nvfp4: 'mxfp4',
  q3_k: 'q4_0',
  iq3_s: 'iq4_nl',
  iq3_xxs: 'iq4_nl',
  q2_k: 'q4_0',
  iq2_s: 'iq4_nl',
  iq2_xs: 'iq4_nl',
  iq2_xxs: 'iq4_nl',
  q2_0: 'q4_0',
  tq2_0: 'q4_0',
  tq1_0: 'q4_0',
  iq1_m: 'iq4_nl',
  iq1_s: 'iq4_nl',
  q1_0: 'q4_0',
};

/** The format that rows of this length get instead of `wanted`; `wanted` itself when they fit. */
export function fittingType(wanted: TensorTypeName, rowValues: number): TensorTypeName {
  if (fitsRow(wanted, rowValues)) return wanted;
  const next = smaller[wanted];
  return next !== undefined && fitsRow(next, rowValues) ? next : 'f16';
}
