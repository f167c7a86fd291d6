// What every chart has: a frame that scales with the page, axes with marks, and a legend of the cells.
// Why SVG without scripts: the report is one file that opens anywhere, prints, and shows in a viewer that runs nothing.

import { escapeHtml, shortNumber } from './html.ts';
import type { Scale } from './scale.ts';

export const size = { width: 460, height: 300, left: 66, right: 14, top: 14, bottom: 46 } as const;
export const plot = {
  left: size.left,
  right: size.width - size.right,
  top: size.top,
  bottom: size.height - size.bottom,
} as const;

/** Colours are named in the style sheet, for light and dark. */
export const colorCount = 8;

export interface Axis {
  readonly scale: Scale;
  readonly title: string;
  readonly format?: (value: number) => string;
}

/** The whole chart as an element; `description` is what it says to those who cannot see it. */
export function frameChart(description: string, parts: readonly string[]): string {
  return `<svg class="chart" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escapeHtml(description)}">${parts.join('')}</svg>`;
}

export function drawAxes(x: Axis, y: Axis): string {
  const xFormat = x.format ?? shortNumber;
  const yFormat = y.format ?? shortNumber;
  const vertical = x.scale.marks.map((mark) => {
    const at = x.scale.at(mark).toFixed(1);
    return `<line class="grid" x1="${at}" x2="${at}" y1="${plot.top}" y2="${plot.bottom}"/><text class="mark" x="${at}" y="${plot.bottom + 16}" text-anchor="middle">${escapeHtml(xFormat(mark))}</text>`;
  });
  const horizontal = y.scale.marks.map((mark) => {
    const at = y.scale.at(mark);
    return `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${at.toFixed(1)}" y2="${at.toFixed(1)}"/><text class="mark" x="${plot.left - 7}" y="${(at + 4).toFixed(1)}" text-anchor="end">${escapeHtml(yFormat(mark))}</text>`;
  });
  const middle = (plot.top + plot.bottom) / 2;
  const titles = `<text class="title" x="${(plot.left + plot.right) / 2}" y="${size.height - 8}" text-anchor="middle">${escapeHtml(x.title)}</text><text class="title" transform="rotate(-90)" x="${-middle}" y="13" text-anchor="middle">${escapeHtml(y.title)}</text>`;
  return [...vertical, ...horizontal, titles].join('');
}

/** Class of the colour of the cell with this index. */
export function colorClass(index: number): string {
  return `c${index % colorCount}`;
}

/** A letter for each cell: names beside points would cover one another, and colours alone tell nothing to some readers. */
export function cellLetter(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26));
  return index < 26 ? letter : `${letter}${Math.floor(index / 26)}`;
}

export function drawLegend(entries: readonly { readonly name: string; readonly cell: number }[]): string {
  const items = entries.map(
    ({ name, cell }) =>
      `<li><span class="swatch ${colorClass(cell)}">${cellLetter(cell)}</span>${escapeHtml(name)}</li>`,
  );
  return `<ul class="legend">${items.join('')}</ul>`;
}
