// The scales of a group by a recipe's steps, one after another: each starts from what the steps before it left.

import { assertNever } from '../../assert.ts';
import type { ScalingStep } from '../recipes/recipe.ts';
import { type LossParts, roundingLoss } from './rounding-loss.ts';
import { type ChannelSizes, channelScales } from './scales.ts';

/** Exponents that the search tries: 0 leaves everything as it is. */
const exponents: readonly number[] = Array.from({ length: 20 }, (_, index) => index / 20);

/** `before` × the step's own scales. Shape (channelCount,). */
export function stepScales(step: ScalingStep, before: Float32Array, parts: LossParts): Float32Array {
  const sizes = channelSizes(before, parts);
  switch (step.kind) {
    case 'smooth':
      return product(before, channelScales(sizes, { activations: step.strength, weights: 1 - step.strength }));
    case 'awq':
      return searchScales(sizes, before, parts);
    default:
      return assertNever(step);
  }
}

/** The best of `activations^exponent`: each costs about as much as quantizing the sampled rows. */
function searchScales(sizes: ChannelSizes, before: Float32Array, parts: LossParts): Float32Array {
  let best = before;
  let lossLeast = Number.POSITIVE_INFINITY;
  for (const exponent of exponents) {
    const tried = product(before, channelScales(sizes, { activations: exponent, weights: 0 }));
    const loss = roundingLoss(tried, parts);
    if (loss >= lossLeast) continue;
    best = tried;
    lossLeast = loss;
  }
  return best;
}

/** Root mean square of what comes in, and the largest weight that reads it, after the scales so far. */
function channelSizes(before: Float32Array, { group, readers, meanSquares }: LossParts): ChannelSizes {
  const squares = new Float64Array(group.channelCount);
  const counts = new Float64Array(group.channelCount);
  const weights = new Float32Array(group.channelCount);
  for (const { name, largest } of readers) {
    const means = meanSquares.get(name);
    group.channels.forEach((channel, column) => {
      squares[channel] = (squares[channel] ?? 0) + (means?.[column] ?? 0);
      counts[channel] = (counts[channel] ?? 0) + 1;
      weights[channel] = Math.max(weights[channel] ?? 0, largest[column] ?? 0);
    });
  }
  return {
    activations: before.map((scale, channel) => Math.sqrt((squares[channel] ?? 0) / (counts[channel] ?? 1)) / scale),
    weights: before.map((scale, channel) => (weights[channel] ?? 0) * scale),
  };
}

function product(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, index) => value * (b[index] ?? 1));
}
