// Accuracy of a task: a bar a cell with its 95 % interval, in HTML, so that names wrap and numbers stay readable on a phone.

import { colorClass } from './chart.ts';
import { escapeHtml, percent } from './html.ts';

export interface TaskBar {
  readonly cell: number;
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** What stands behind the number, such as flips. */
  readonly note: string;
}

export function drawTaskBars(bars: readonly TaskBar[]): string {
  const share = (value: number) => `${(100 * value).toFixed(2)}%`;
  const rows = bars.map(
    ({ cell, name, value, low, high, note }) =>
      `<div class="bar"><span class="name">${escapeHtml(name)}</span><span class="track"><span class="fill ${colorClass(cell)}" style="width:${share(value)}"></span><span class="interval" style="left:${share(low)};width:${share(high - low)}"></span></span><span class="number">${percent(value)}<small>${escapeHtml(note)}</small></span></div>`,
  );
  return `<div class="bars">${rows.join('')}</div>`;
}
