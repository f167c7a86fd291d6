// Lines: a cell's values at several places, such as positions in the window or quantiles.

import { type Axis, cellLetter, colorClass, drawAxes, frameChart, plot } from './chart.ts';
import { escapeHtml } from './html.ts';
import { createScale } from './scale.ts';

export interface Line {
  /** Index of the cell, for its colour. */
  readonly cell: number;
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    /** Shown when pointed at. */
    readonly label: string;
  }[];
}

export interface LineChart {
  readonly description: string;
  readonly lines: readonly Line[];
  readonly x: Axis;
  readonly y: Omit<Axis, 'scale'>;
}

/** Values that span more than this are drawn on a logarithmic axis. */
const logSpan = 8;

export function drawLines({ description, lines, x, y }: LineChart): string {
  const values = lines.flatMap(({ points }) => points.map((point) => point.y));
  const positive = values.filter((value) => value > 0);
  const isLog = positive.length > 0 && Math.max(...positive) > logSpan * Math.min(...positive);
  const yScale = createScale(isLog ? positive : [0, ...values], {
    from: plot.bottom,
    to: plot.top,
    kind: isLog ? 'log' : 'linear',
  });
  // A logarithm has no place for zero.
  const all = lines.map(({ cell, points }) => ({ cell, points: points.filter((point) => !isLog || point.y > 0) }));
  const drawn = all.map(({ cell, points: shown }) => {
    const places = shown.map((point) => `${x.scale.at(point.x).toFixed(1)},${yScale.at(point.y).toFixed(1)}`);
    const dots = shown.map(
      (point) =>
        `<circle class="dot ${colorClass(cell)}" cx="${x.scale.at(point.x).toFixed(1)}" cy="${yScale.at(point.y).toFixed(1)}" r="2.6"><title>${escapeHtml(point.label)}</title></circle>`,
    );
    return `<polyline class="line ${colorClass(cell)}" points="${places.join(' ')}"/>${dots.join('')}`;
  });
  const ends = all.flatMap(({ cell, points }) => {
    const last = points.at(-1);
    return last === undefined ? [] : [{ cell, left: x.scale.at(last.x), top: yScale.at(last.y) }];
  });
  return frameChart(description, [drawAxes(x, { ...y, scale: yScale }), ...drawn, ...placeEnds(ends)]);
}

interface End {
  readonly cell: number;
  readonly left: number;
  readonly top: number;
}

const letterHeight = 12;

/** The letter of each line behind its end, moved down where it would cover the one above. */
function placeEnds(ends: readonly End[]): string[] {
  let free = Number.NEGATIVE_INFINITY;
  return [...ends]
    .sort((a, b) => a.top - b.top)
    .map(({ cell, left, top }) => {
      const place = Math.max(top + 4, free);
      free = place + letterHeight;
      return `<text class="label ${colorClass(cell)}" x="${(left + 6).toFixed(1)}" y="${place.toFixed(1)}">${cellLetter(cell)}</text>`;
    });
}
