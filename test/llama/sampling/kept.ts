// What a draw would choose from, however the sampler holds it: gathered, or up to an edge.

import { createDrawMemory, type DrawParams, truncate } from '../../../src/llama/sampling/draw.ts';

/** The tokens that are kept, by ascending id. */
export function kept(row: Float32Array, params: DrawParams): number[] {
  const memory = createDrawMemory(row.length);
  const edge = truncate(row, params, memory);
  if (edge === undefined) return [...memory.candidates.tokens.subarray(0, memory.candidates.count)];
  const largest = row.reduce((best, logit) => Math.max(best, Number.isNaN(logit) ? best : logit), -Infinity);
  return [...row.keys()].filter((token) => {
    const distance = largest - (row[token] ?? Number.NaN);
    return distance < edge.distance || (distance === edge.distance && token <= edge.token);
  });
}
