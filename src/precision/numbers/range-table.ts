// The formats side by side, whatever the number: bits, range and fineness; for the terminal and for docs/PRECISION.md.
// Why from the formats themselves: a table written by hand beside the code is wrong sooner or later.

import { blockFormats, floatFormats } from '../formats/all-formats.ts';
import type { BlockFormat, FloatFormat } from '../formats/types.ts';
import { alignCells, cell, type Look } from './ink.ts';
import { percent, shortNumber } from './number-text.ts';

export interface RangeRow {
  readonly label: string;
  readonly bitsPerValue: number;
  /** `1 + 5 + 10`, or what a block is made of. */
  readonly layout: string;
  readonly largest: number;
  /** Undefined for blocks: their elements have no normal range of their own. */
  readonly smallestNormal: number | undefined;
  readonly smallest: number;
  /** Largest error in the normal range: against the value itself for floats, against the block's largest for blocks. */
  readonly worstError: number;
  readonly overflow: string;
}

/** One row for each format, in the order in which they are shown everywhere. */
export function rangeRows(): RangeRow[] {
  return [...floatFormats.map(floatRow), ...blockFormats.map(blockRow)];
}

function floatRow({ label, bits, fields, range, overflow, infinityCode }: FloatFormat): RangeRow {
  const { signBits, exponentBits, mantissaBits } = fields;
  return {
    label,
    bitsPerValue: bits,
    layout: `${signBits} + ${exponentBits} + ${mantissaBits}`,
    ...range,
    worstError: 2 ** -(mantissaBits + 1),
    overflow:
      overflow === 'infinity'
        ? 'infinity'
        : `stays at ${range.largest}${infinityCode === undefined ? ', no infinity' : ''}`,
  };
}

function blockRow({ label, bitsPerValue, blockValues, scale, element, range, worstError }: BlockFormat): RangeRow {
  const elementLabel = element.kind === 'integer' ? `int${element.bits}` : element.format.label.replace('fp4 ', '');
  return {
    label,
    bitsPerValue,
    layout: `${blockValues} × ${elementLabel}, scale ${scale.label.replace(', unsigned', '')}`,
    ...range,
    smallestNormal: undefined,
    worstError,
    overflow: 'scale grows with the largest value',
  };
}

/** A table for the terminal. */
export function formatRanges({ ink, columns }: Look): string {
  const quiet = (text: string): string => ink('quiet', text);
  const head = ['format', 'bits a value', 'largest', 'smallest normal', 'smallest', 'error up to'];
  const rows = rangeRows().map((row) => [
    cell(row.label, (text) => ink('strong', text)),
    cell(String(row.bitsPerValue)),
    cell(shortNumber(row.largest, 5)),
    cell(row.smallestNormal === undefined ? '-' : shortNumber(row.smallestNormal, 3)),
    cell(shortNumber(row.smallest, 3)),
    cell(errorText(row)),
  ]);
  const lines = alignCells(
    {
      rows: [head.map((text) => cell(text, quiet)), ...rows],
      alignments: ['left', 'right', 'right', 'right', 'right', 'left'],
      droppable: [3, 1],
    },
    columns,
  );
  return lines.join('\n');
}

/** The same as a Markdown table, for docs/PRECISION.md. */
export function rangeMarkdown(): string {
  const head =
    '| format | bits a value | made of | largest | smallest normal | smallest above 0 | error up to | too large becomes |';
  const rows = rangeRows().map((row) => {
    const cells = [
      row.label,
      String(row.bitsPerValue),
      row.layout,
      shortNumber(row.largest, 5),
      row.smallestNormal === undefined ? '' : shortNumber(row.smallestNormal, 3),
      shortNumber(row.smallest, 3),
      errorText(row),
      row.overflow,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [head, '|---|---|---|---|---|---|---|---|', ...rows].join('\n');
}

function errorText({ worstError, smallestNormal }: RangeRow): string {
  const of = smallestNormal === undefined ? "the block's largest" : 'itself';
  return `${percent(worstError, 3)} of ${of}`;
}
