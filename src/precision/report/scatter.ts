// Quality against speed, or against memory: a point a cell, the Pareto front as a line.

import { type Axis, cellLetter, colorClass, drawAxes, frameChart, plot } from './chart.ts';
import { escapeHtml } from './html.ts';
import { type Directions, type Point, paretoFront } from './pareto.ts';
import { createScale } from './scale.ts';

export interface ScatterPoint extends Point {
  readonly name: string;
  /** Index of the cell, for its colour. */
  readonly cell: number;
  /** Ends of the interval of `y`, where there is one. */
  readonly low?: number;
  readonly high?: number;
  readonly label: string;
}

export interface Scatter {
  readonly description: string;
  readonly points: readonly ScatterPoint[];
  readonly x: Omit<Axis, 'scale'>;
  readonly y: Omit<Axis, 'scale'>;
  readonly better: Directions;
}

/** Qualities that span more than this are drawn on a logarithmic axis: one broken format must not squeeze the others. */
const logSpan = 4;

export function drawScatter({ description, points, x, y, better }: Scatter): string {
  const xScale = createScale(
    points.map((point) => point.x),
    { from: plot.left + 8, to: plot.right - 8, kind: 'linear' },
  );
  const heights = points.flatMap(({ y: value, low = value, high = value }) => [value, low, high]);
  const isLog = heights.every((value) => value > 0) && Math.max(...heights) > logSpan * Math.min(...heights);
  const yScale = createScale(heights, { from: plot.bottom, to: plot.top, kind: isLog ? 'log' : 'linear' });
  const at = (point: Point) => ({ left: xScale.at(point.x), top: yScale.at(point.y) });
  const front = [...paretoFront(points, better)].sort((a, b) => a.x - b.x || a.y - b.y);
  const line = front.map((point) => `${at(point).left.toFixed(1)},${at(point).top.toFixed(1)}`).join(' ');
  const marks = points.map((point) => {
    const { left, top } = at(point);
    const isFirst = front.includes(point);
    const whisker =
      point.low === undefined || point.high === undefined
        ? ''
        : `<line class="whisker ${colorClass(point.cell)}" x1="${left.toFixed(1)}" x2="${left.toFixed(1)}" y1="${yScale.at(point.low).toFixed(1)}" y2="${yScale.at(point.high).toFixed(1)}"/>`;
    return `${whisker}<circle class="point ${colorClass(point.cell)}${isFirst ? ' front' : ''}" cx="${left.toFixed(1)}" cy="${top.toFixed(1)}" r="${isFirst ? 6.5 : 5}"><title>${escapeHtml(`${point.name}: ${point.label}`)}</title></circle>`;
  });
  const letters = placeLetters(points.map((point) => ({ ...at(point), cell: point.cell })));
  return frameChart(description, [
    drawAxes({ ...x, scale: xScale }, { ...y, scale: yScale }),
    front.length > 1 ? `<polyline class="frontline" points="${line}"/>` : '',
    ...marks,
    ...letters,
  ]);
}

interface Place {
  readonly left: number;
  readonly top: number;
  readonly cell: number;
}

const letterSize = 13;

/** A letter above each point, or at the first side where it covers no other point or letter. */
function placeLetters(places: readonly Place[]): string[] {
  const sides = [
    [0, -11],
    [14, 4],
    [-14, 4],
    [0, 20],
    [14, -9],
    [-14, -9],
    [14, 18],
    [-14, 18],
  ] as const;
  const taken: { readonly left: number; readonly top: number }[] = places.map(({ left, top }) => ({
    left,
    top: top + 4,
  }));
  return places.map(({ left, top, cell }) => {
    const free = sides.find(([dx, dy]) =>
      taken.every((other) => Math.hypot(other.left - left - dx, other.top - top - dy) >= letterSize),
    );
    const [dx, dy] = free ?? sides[0];
    taken.push({ left: left + dx, top: top + dy });
    return `<text class="label ${colorClass(cell)}" x="${(left + dx).toFixed(1)}" y="${(top + dy).toFixed(1)}" text-anchor="middle">${cellLetter(cell)}</text>`;
  });
}
