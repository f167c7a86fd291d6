// Weights, set by hand, of a model that goes on as the text went on where its last token stood before: an induction head.
// Why by hand: models small enough for a laptop's benchmark do not quote at length, and random weights quote nothing. What copies
// here is real attention over the real cache at the cost of any model of its shape; only how well it quotes is not learned.
// Source of the circuit: A Mathematical Framework for Transformer Circuits (N. Elhage et al., 2021).
//
//   residual   [0, 44)     code of the token; the second layer adds that of the token to come, many times as large
//              [64, 108)   code of the token before, written by the first layer
//              128         1
//   layer 0    looks one position back: its queries and keys are constant, and their rotations agree at distance 1
//   layer 1    looks where the token before was the present one, and takes what stands there
//   others     are computed like any, from random weights, and add nothing

import { createRandom, mixSeed } from '../random.ts';

export const codeLength = 44;
const before = 64;
const constant = 128;
/** Rotary pairs 0 to 7 of a head tell positions apart; from pair 10 on they hardly turn within the context. */
const turningPairs = 8;
const stillDimension = 20;
const codeUnit = 1 / 8;
/** The width for which the weights are reckoned: norms grow with the width, and their weights make up for it. */
export const reckonedWidth = 576;
/** How much louder the token to come is than the present one. */
const loudness = 8;

/** With it a rotary pair's frequency falls from 1 to 10^-11.6 within a head of 64. */
export const ropeBase = 1e12;

/** The code of a token: signs, the same for the same token always. Shape (codeLength,). */
export function codeOf(token: number): Float32Array {
  const random = createRandom(mixSeed(token, 1));
  return Float32Array.from({ length: codeLength }, () => (random() < 0.5 ? -codeUnit : codeUnit));
}

/** What a token begins with. Shape (width,). */
export function embeddingOf(token: number, width: number): Float32Array {
  const row = new Float32Array(width);
  row.set(codeOf(token));
  row[constant] = 1;
  return row;
}

/** One row of a matrix: what one output reads of its input. Shape (inputs,). Undefined where the matrix has no part in the circuit. */
export function circuitRow(name: string, row: number, inputs: number): Float32Array | undefined {
  const weights = new Float32Array(inputs);
  const [, layer = '', part = ''] = /^blk\.(\d+)\.(\w+)/.exec(name) ?? [];
  if (part === 'attn_output') writeOutput(weights, { layer, row });
  else if (part === 'ffn_down') return weights;
  else if (layer === '0') return firstLayer(weights, part, row);
  else if (layer === '1') return secondLayer(weights, part, row);
  else return undefined;
  return weights;
}

/** Queries point along the first axis of each pair, keys a step of that pair further. */
function firstLayer(weights: Float32Array, part: string, row: number): Float32Array | undefined {
  const pair = row >> 1;
  const angle = (row & 1) === 0 ? 0 : Math.PI / 2;
  const step = ropeBase ** (-pair / 32);
  if (part === 'attn_q') weights[constant] = pair < turningPairs ? Math.cos(angle) : 0;
  else if (part === 'attn_k') weights[constant] = pair < turningPairs ? Math.cos(step - angle) : 0;
  else if (part !== 'attn_v') return undefined;
  else if (row < codeLength) weights[row] = 1;
  return weights;
}

function secondLayer(weights: Float32Array, part: string, row: number): Float32Array | undefined {
  const place = row - stillDimension;
  if (part === 'attn_q' && place >= 0 && place < codeLength) weights[place] = 2;
  else if (part === 'attn_k' && place >= 0 && place < codeLength) weights[before + place] = 2;
  else if (part === 'attn_v' && row < codeLength) weights[row] = 1;
  else if (part !== 'attn_q' && part !== 'attn_k' && part !== 'attn_v') return undefined;
  return weights;
}

/** What the first head brings goes to its place in the residual; what others bring nowhere. */
function writeOutput(weights: Float32Array, { layer, row }: { readonly layer: string; readonly row: number }): void {
  // Undoes what the layer's norm multiplied: the root mean square of what it read.
  if (layer === '0' && row >= before && row < before + codeLength) weights[row - before] = 1 / 16;
  if (layer === '1' && row < codeLength) weights[row] = loudness / 16;
}
