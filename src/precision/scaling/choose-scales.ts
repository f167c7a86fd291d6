// The scales of a group by a recipe's steps, one after another: each starts from what the steps before it left.

import { assertNever, must } from '../../assert.ts';
import type { ActivationSize, ScalingStep } from '../recipes/recipe.ts';
import { type LossParts, roundingLoss } from './rounding-loss.ts';
import { type ChannelSizes, channelScales } from './scales.ts';

/** Exponents that the search tries: 0 leaves everything as it is. */
const exponents: readonly number[] = Array.from({ length: 20 }, (_, index) => index / 20);

/** `before` × the step's own scales. Shape (channelCount,). */
export function stepScales(step: ScalingStep, before: Float32Array, parts: LossParts): Float32Array {
  const sizes = channelSizes(before, parts, step.activations);
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

/** How large what comes in is, and the largest weight that reads it, after the scales so far. */
function channelSizes(before: Float32Array, parts: LossParts, activations: ActivationSize): ChannelSizes {
  const { group, readers } = parts;
  const weights = new Float32Array(group.channelCount);
  for (const { largest } of readers)
    group.channels.forEach((channel, column) => {
      weights[channel] = Math.max(weights[channel] ?? 0, largest[column] ?? 0);
    });
  const incoming = activations === 'rms' ? rootMeanSquares(parts) : largestOf(parts);
  return {
    activations: before.map((scale, channel) => (incoming[channel] ?? 0) / scale),
    weights: before.map((scale, channel) => (weights[channel] ?? 0) * scale),
  };
}

function rootMeanSquares({ group, readers, meanSquares }: LossParts): Float64Array {
  const squares = new Float64Array(group.channelCount);
  const counts = new Float64Array(group.channelCount);
  for (const { name } of readers) {
    const means = meanSquares.get(name);
    group.channels.forEach((channel, column) => {
      squares[channel] = (squares[channel] ?? 0) + (means?.[column] ?? 0);
      counts[channel] = (counts[channel] ?? 0) + 1;
    });
  }
  return squares.map((sum, channel) => Math.sqrt(sum / (counts[channel] ?? 1)));
}

function largestOf({ group, readers, maxima }: LossParts): Float64Array {
  const sizes = new Float64Array(group.channelCount);
  for (const { name } of readers) {
    const ofReader = must(maxima.get(name), `the plan has seen that ${name} has maxima`);
    group.channels.forEach((channel, column) => {
      sizes[channel] = Math.max(sizes[channel] ?? 0, ofReader[column] ?? 0);
    });
  }
  return sizes;
}

function product(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, index) => value * (b[index] ?? 1));
}
