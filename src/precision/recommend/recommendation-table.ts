// A recommendation at the terminal: the formats by layer and part, what was expected and measured, and the comparison.

import { formatColumns, formatCount } from '../../format.ts';
import { normal95 } from '../evaluate/statistics.ts';
import { layerOf, partOf } from '../recipes/patterns.ts';
import type { Recommendation } from './recommendation.ts';

export function formatRecommendation(report: Recommendation): string {
  return [
    ...formatGrid(report),
    '',
    ...formatSensitive(report),
    '',
    ...formatScaling(report),
    ...formatSteps(report),
    '',
    ...formatRows(report),
    ...report.notes.map((note) => `note: ${note}`),
  ].join('\n');
}

/** A row for each part, a column for each layer; a run of layers with the same formats is one column. */
function formatGrid({ mix }: Recommendation): string[] {
  const matrices = mix.tensors.filter(({ name }) => name.endsWith('weight') && !name.includes('norm'));
  const inLayers = matrices.filter(({ name }) => layerOf(name) !== undefined);
  const parts = [...new Set(inLayers.map(({ name }) => partOf(name)))];
  const layers = [...new Set(inLayers.map(({ name }) => layerOf(name) ?? 0))].sort((a, b) => a - b);
  const typeAt = (part: string, layer: number) =>
    inLayers.find(({ name }) => partOf(name) === part && layerOf(name) === layer)?.type ?? '';
  const runs = mergeAlike(layers, (layer) => parts.map((part) => typeAt(part, layer)).join());
  const head = ['layer', ...runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`))];
  const rows = parts.map((part) => [part, ...runs.map(([from]) => typeAt(part, from))]);
  const others = matrices
    .filter(({ name }) => layerOf(name) === undefined)
    .map(({ name, type }) => [partOf(name), type]);
  return formatColumns([head, ...rows, ...others]);
}

function mergeAlike(layers: readonly number[], keyOf: (layer: number) => string): [number, number][] {
  const runs: [number, number][] = [];
  for (const layer of layers) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === layer - 1 && keyOf(last[0]) === keyOf(layer)) last[1] = layer;
    else runs.push([layer, layer]);
  }
  return runs;
}

const sensitiveShown = 8;

/** The groups that lose most at the format nearest to 4.5 bits, alone. */
function formatSensitive({ groups }: Recommendation): string[] {
  const rows = groups.flatMap(({ name, valueCount, picked, choices }) => {
    const near = [...choices].sort((a, b) => distance(a, valueCount) - distance(b, valueCount))[0];
    return near === undefined || choices.length < 2 ? [] : [{ name, picked, format: near.format, loss: near.loss }];
  });
  const most = rows.sort((a, b) => b.loss - a.loss).slice(0, sensitiveShown);
  const cells = most.map(({ name, format, loss, picked }) => [name, format, loss.toPrecision(3), picked]);
  return ['most sensitive alone:', ...formatColumns([['tensors', 'at', 'KL', 'gets'], ...cells], [2])];
}

function distance({ bytes }: { readonly bytes: number }, valueCount: number): number {
  return Math.abs((bytes * 8) / valueCount - 4.5);
}

/** What the mix without a step loses behind each. */
function formatScaling({ scaling: { picked, tried } }: Recommendation): string[] {
  if (tried.length < 2) return [];
  const losses = tried.map(({ step, calibrationLoss }) => `${step} ${calibrationLoss.toPrecision(3)}`).join(', ');
  return [`scales before formats: KL of the first mix on the calibration text: ${losses}; taken: ${picked}`];
}

function formatSteps({ steps }: Recommendation): string[] {
  return steps.map(({ kind, predictedLoss, loss, changedCount }, index) => {
    const name = kind === 'sum' ? 'by the sum of sensitivities' : `round ${index}: ${changedCount} changes`;
    return `${name}: KL ${predictedLoss.toPrecision(3)} expected, ${loss.toPrecision(3)} measured on the calibration text`;
  });
}

function formatRows({ rows, settings }: Recommendation): string[] {
  const cells = rows.map(({ kind, label, fileBytes, bitsPerWeight, divergence, perplexity, sameTop }) => [
    `${label}${kind === 'recommended' ? ' *' : ''}`,
    formatCount(fileBytes),
    bitsPerWeight.toFixed(2),
    divergence === undefined
      ? '-'
      : `${divergence.value.toFixed(5)} ± ${(normal95 * divergence.standardError).toFixed(5)}`,
    `${perplexity.value.toFixed(3)} ± ${(normal95 * perplexity.standardError).toFixed(3)}`,
    sameTop === undefined ? '-' : `${(100 * sameTop.value).toFixed(2)}%`,
  ]);
  const head = ['weights', 'file bytes', 'bits/w', 'KL mean', 'perplexity', 'same top'];
  const { path, windowCount } = settings.evaluation;
  const note = `± is the 95 % interval. * is the recommended mix. Judged on ${windowCount} windows of ${path}.`;
  return [...formatColumns([head, ...cells], [1, 2, 3, 4, 5]), '', note];
}
