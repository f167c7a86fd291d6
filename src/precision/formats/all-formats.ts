// Every format that `octet numbers` shows, in the order of falling precision, found by id.

import { mxfp4, nvfp4 } from './fp4-blocks.ts';
import { fp8E4M3, fp8E5M2 } from './fp8.ts';
import { bf16, fp16, fp32 } from './ieee.ts';
import { q4_0, q8_0 } from './integer-blocks.ts';
import type { BlockFormat, FloatFormat } from './types.ts';

/** Formats in which a number stands by itself. */
export const floatFormats: readonly FloatFormat[] = [fp32, fp16, bf16, fp8E4M3, fp8E5M2];

/** Formats in which it shares a scale with its neighbours. */
export const blockFormats: readonly BlockFormat[] = [q8_0, q4_0, mxfp4, nvfp4];
