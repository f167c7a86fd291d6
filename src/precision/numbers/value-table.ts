// The report of one value as a table for people: bits by field in colours, stored value, error, spacing, and what happened.

import { alignCells, type Cell, cell, type Ink, type InkName, joinCells, type Look } from './ink.ts';
import { percent, shortNumber, signedNumber } from './number-text.ts';
import {
  type BlockReport,
  type FloatBits,
  type FormatReport,
  fromJsonNumber,
  type Outcome,
  type ValueReport,
} from './value-report.ts';

const heads = ['format', 'bits', 'stored', 'error', 'relative', 'spacing', '', ''];
const alignments = ['left', 'left', 'right', 'right', 'right', 'right', 'left', 'left'] as const;
/** What the number is made of, the spacing, the absolute error, and the word for what happened. */
const droppable = [7, 5, 3, 6];

/** The table of one value, ready to print; without trailing newline. */
export function formatValue(report: ValueReport, { ink, columns }: Look): string {
  const rows = [
    heads.map((head) => cell(head, (text) => ink('quiet', text))),
    ...report.formats.map((format) => rowOf(format, ink)),
  ];
  const [head = '', ...lines] = alignCells({ rows, alignments, droppable }, columns);
  const floatCount = report.formats.filter(({ kind }) => kind === 'float').length;
  const title = `${ink('strong', report.input)}${exactly(report)}`;
  const note = `  ${ink('quiet', blockNote(report))}`;
  return [title, head, ...lines.slice(0, floatCount), note, ...lines.slice(floatCount)].join('\n');
}

/** What the colours mean; one line for all tables. */
export function formatLegend(ink: Ink): string {
  const fields = (['sign', 'exponent', 'mantissa', 'integer'] as const).map((name) => ink(name, name)).join(' ');
  return `  ${fields}${ink('quiet', '   in blocks: scale × element')}`;
}

/** The number that was meant, where the input does not show it. */
function exactly({ input, value }: ValueReport): string {
  const shown = String(value);
  return /^[+-]?[\d.]+$/.test(input) || shown === input.toLowerCase() ? '' : ` = ${shown}`;
}

function blockNote({ companions }: ValueReport): string {
  if (companions.length === 0) return 'in a block whose largest value it is (--with gives it neighbours):';
  return `in a block with ${companions.map((value) => shortNumber(value, 6)).join(', ')} and zeros:`;
}

function rowOf(report: FormatReport, ink: Ink): Cell[] {
  if (report.kind === 'refused') return [cell(report.label), cell(report.reason, (text) => ink('quiet', text))];
  const bits = report.kind === 'float' ? floatBits(report.bits, ink) : blockBits(report, ink);
  const stored = fromJsonNumber(report.stored);
  const relative =
    report.relativeError === null ? '' : report.relativeError === 0 ? '0' : percent(report.relativeError);
  return [
    cell(report.label, (text) => ink('strong', text)),
    bits,
    cell(shortNumber(stored, 10)),
    cell(report.outcome === 'nan' ? '' : signedNumber(fromJsonNumber(report.error), 3)),
    cell(relative, (text) => ink(judge(report.relativeError), text)),
    cell(report.spacing === null ? '' : shortNumber(report.spacing, 4)),
    cell(outcomeWords[report.outcome], (text) => ink(isLoss(report) ? 'bad' : 'quiet', text)),
    cell(report.kind === 'float' ? '' : productOf(report), (text) => ink('quiet', text)),
  ];
}

function floatBits({ sign, exponent, mantissa }: FloatBits, ink: Ink): Cell {
  const fields: [InkName, string][] = [
    ['sign', sign],
    ['exponent', exponent],
    ['mantissa', mantissa],
  ];
  return joinCells(
    fields.map(([name, bits]) => cell(bits, (text) => ink(name, text))),
    ' ',
  );
}

function blockBits({ scale, element }: BlockReport, ink: Ink): Cell {
  const bits = element.bits;
  const shown = 'integer' in bits ? cell(bits.integer, (text) => ink('integer', text)) : floatBits(bits, ink);
  return joinCells([floatBits(scale.bits, ink), cell('×', (text) => ink('quiet', text)), shown], ' ');
}

const outcomeWords: Readonly<Record<Outcome, string>> = {
  exact: 'exact',
  rounded: '',
  subnormal: 'subnormal',
  'to-zero': 'lost: zero',
  saturated: 'saturated',
  overflow: 'overflow',
  nan: 'not a number',
};

function productOf({ element, scale }: BlockReport): string {
  return `${shortNumber(element.value, 4)} × ${shortNumber(fromJsonNumber(scale.value), 4)}`;
}

function isLoss({ outcome }: Exclude<FormatReport, { kind: 'refused' }>): boolean {
  return outcome === 'to-zero' || outcome === 'overflow' || outcome === 'saturated';
}

/** Up to half a part in a hundred reads as harmless, up to five as noticeable. */
function judge(relative: number | null): InkName {
  if (relative === null || relative <= 0.005) return 'good';
  return relative <= 0.05 ? 'fair' : 'bad';
}
