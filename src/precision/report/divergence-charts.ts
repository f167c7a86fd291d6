// How far cells are from the reference: along the window, and over the tokens.
// Why both: a mean hides whether a precision gets worse as the context grows, and whether few tokens or all of them move.

import type { Divergence, Evaluation } from '../evaluate/result-schema.ts';
import { normal95 } from '../evaluate/statistics.ts';
import { drawLegend, plot } from './chart.ts';
import { card, shortNumber } from './html.ts';
import { drawLines, type Line } from './lines.ts';
import { createScale, type Scale } from './scale.ts';

/** A card for each chart; none when nothing was compared. */
export function drawDivergence({ runs }: Evaluation): readonly string[] {
  const compared = runs.flatMap(({ id, divergence }, cell) =>
    divergence === undefined ? [] : [{ name: id, cell, divergence }],
  );
  if (compared.length === 0) return [];
  const legend = drawLegend(compared);
  const along = compared.map(({ name, cell, divergence }) => ({ cell, points: positionPoints(name, divergence) }));
  const over = compared.map(({ name, cell, divergence }) => ({ cell, points: quantilePoints(name, divergence) }));
  return [
    ...(along.every(({ points }) => points.length > 1) ? [card(positionChart(along) + legend, 'KL by position')] : []),
    card(quantileChart(over) + legend, 'KL over the tokens'),
  ];
}

function positionPoints(name: string, { byPosition }: Divergence): Line['points'] {
  return byPosition.map(({ from, to, divergence: { value, standardError } }) => ({
    x: (from + to) / 2,
    y: value,
    label: `${name}, positions ${from} to ${to - 1}: ${shortNumber(value)} ± ${shortNumber(normal95 * standardError)}`,
  }));
}

function positionChart(lines: readonly Line[]): string {
  const scale = createScale(
    lines.flatMap(({ points }) => points.map(({ x }) => x)),
    { from: plot.left, to: plot.right, kind: 'linear' },
  );
  return drawLines({
    description: 'Mean divergence by position in the window',
    lines,
    x: { scale, title: 'position in the window (tokens)' },
    y: { title: 'mean KL (nats)' },
  });
}

const quantiles = [
  ['median', 'median'],
  ['p90', '90 %'],
  ['p99', '99 %'],
  ['p999', '99.9 %'],
  ['max', 'max'],
] as const;

function quantilePoints(name: string, { divergence }: Divergence): Line['points'] {
  return quantiles.map(([key, title], x) => ({
    x,
    y: divergence[key],
    label: `${name}, ${title}: ${shortNumber(divergence[key])}`,
  }));
}

function quantileChart(lines: readonly Line[]): string {
  const inset = 30;
  const step = (plot.right - plot.left - 2 * inset) / (quantiles.length - 1);
  const scale: Scale = { at: (index) => plot.left + inset + index * step, marks: quantiles.map((_, index) => index) };
  return drawLines({
    description: 'Quantiles of the divergence over the tokens',
    lines,
    x: { scale, title: 'so many tokens diverge less', format: (index) => quantiles[index]?.[1] ?? '' },
    y: { title: 'KL (nats)' },
  });
}
