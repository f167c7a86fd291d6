// The report of a tensor for people: its numbers, a histogram with negative values to the left, outliers, errors by format.

import { formatBytes, formatCount } from '../../format.ts';
import { floatFormats } from '../formats/all-formats.ts';
import { alignCells, type Cell, cell, type Ink, type Look } from './ink.ts';
import { percent, shortNumber, signedNumber } from './number-text.ts';
import type { FormatError, TensorReport } from './tensor-report.ts';
import { fromJsonNumber } from './value-report.ts';

/** All of it, ready to print. */
export function formatTensor(report: TensorReport, look: Look): string {
  const { ink } = look;
  return [
    `${titleOf(report, ink)}\n${statisticsOf(report, ink)}`,
    // A tensor of zeros has neither.
    ...(report.histogram.length === 0 ? [] : [histogramOf(report, look), outliersOf(report, ink)]),
    errorsOf(report, look),
  ].join('\n\n');
}

function titleOf({ tensor }: TensorReport, ink: Ink): string {
  const shape = tensor.dimensions.join(' × ');
  const size = `${formatCount(tensor.values)} values, ${formatBytes(tensor.bytes)}`;
  return `${ink('strong', tensor.name)}  ${tensor.type}  ${shape}  ${ink('quiet', `${size} in ${tensor.file}`)}`;
}

function statisticsOf({ statistics: facts, tensor }: TensorReport, ink: Ink): string {
  const entries: [string, string][] = [
    ['min', shortNumber(facts.min, 4)],
    ['max', shortNumber(facts.max, 4)],
    ['mean', shortNumber(facts.mean, 3)],
    ['std', shortNumber(facts.standardDeviation, 4)],
    ['kurtosis', facts.kurtosis === null ? 'none' : `${shortNumber(facts.kurtosis, 3)} (normal: 3)`],
  ];
  if (facts.zeros > 0) entries.push(['zeros', percent(facts.zeros / tensor.values)]);
  const line = `  ${entries.map(([name, value]) => `${ink('quiet', name)} ${value}`).join('   ')}`;
  if (facts.nonFinite === 0) return line;
  return `${line}\n  ${ink('bad', `${formatCount(facts.nonFinite)} values are NaN or infinite; they count as zero below`)}`;
}

const barWidth = 24;
const binsMax = 16;
/** Terminals that are narrower get no landmarks. */
const landmarkColumns = 120;

/** One line for each power of two, from the largest down; what is below `binsMax` of them is one line. */
function histogramOf({ histogram, tensor }: TensorReport, look: Look): string {
  const bins = histogram.toReversed();
  const shown = bins.slice(0, binsMax);
  const rest = bins.slice(binsMax);
  const most = Math.max(1, ...shown.flatMap(({ negative, positive }) => [negative, positive]));
  const lines = shown.map(({ exponent, negative, positive }) =>
    histogramLine({ name: `2^${exponent}`, size: 2 ** exponent, negative, positive }, { most, tensor, look }),
  );
  const negative = rest.reduce((sum, bin) => sum + bin.negative, 0);
  const positive = rest.reduce((sum, bin) => sum + bin.positive, 0);
  if (rest.length > 0)
    lines.push(histogramLine({ name: 'below', size: undefined, negative, positive }, { most, tensor, look }));
  const head = `${'from size'.padEnd(18)}${'negative'.padStart(barWidth)}   ${'positive'.padEnd(barWidth)}   share`;
  return [`  ${look.ink('quiet', head)}`, ...lines].join('\n');
}

interface Bin {
  readonly name: string;
  readonly size: number | undefined;
  readonly negative: number;
  readonly positive: number;
}

function histogramLine(
  { name, size, negative, positive }: Bin,
  { most, tensor, look }: { most: number; tensor: TensorReport['tensor']; look: Look },
): string {
  const { ink, columns } = look;
  const label = `${name.padEnd(7)}${size === undefined ? '' : shortNumber(size, 3)}`.padEnd(18);
  const [left, right] = [bar(negative / most), bar(positive / most)];
  const share = negative + positive === 0 ? '' : percent((negative + positive) / tensor.values);
  const space = (text: string): string => ' '.repeat(barWidth - text.length);
  const bars = `${space(left)}${ink('negative', left)} ${ink('quiet', '│')} ${ink('positive', right)}${space(right)}`;
  return `  ${label}${bars} ${share.padStart(7)}  ${columns < landmarkColumns ? '' : ink('quiet', landmark(size))}`.trimEnd();
}

/** Which formats' normal numbers end at this size: unscaled values below it lose precision there. */
function landmark(size: number | undefined): string {
  const labels = floatFormats.filter(({ range }) => range.smallestNormal === size).map(({ label }) => label);
  return labels.length === 0 ? '' : `◂ smallest normal of ${labels.join(', ')}`;
}

/** Halves of a character, and a dot for what is there but too little to see. */
function bar(fraction: number): string {
  const halves = Math.round(Math.min(1, fraction) * barWidth * 2);
  if (halves === 0) return fraction > 0 ? '·' : '';
  return '█'.repeat(Math.floor(halves / 2)) + (halves % 2 === 1 ? '▌' : '');
}

function outliersOf({ outliers }: TensorReport, ink: Ink): string {
  const rows = outliers.map(({ value, row, column, deviations }) => [
    cell(signedNumber(value, 5)),
    cell(`row ${row}`),
    cell(`column ${column}`),
    cell(`${shortNumber(deviations, 3)} std from the mean`, (text) => ink(deviations > 20 ? 'bad' : 'quiet', text)),
  ]);
  return [`  ${ink('quiet', 'largest')}`, ...alignCells({ rows, alignments: ['right', 'left', 'left', 'left'] })].join(
    '\n',
  );
}

function errorsOf({ formats }: TensorReport, { ink, columns }: Look): string {
  const head = ['format', 'bits', 'RMS error', 'relative', 'SNR', '', 'max error', 'to zero'];
  const decibelsMax = Math.max(1, ...formats.map((format) => (format.kind === 'measured' ? (format.snrDb ?? 0) : 0)));
  const rows = [
    head.map((text) => cell(text, (shown) => ink('quiet', shown))),
    ...formats.map((format) => errorRow(format, decibelsMax, ink)),
  ];
  const alignments = ['left', 'right', 'right', 'right', 'right', 'left', 'right', 'right'] as const;
  return alignCells({ rows, alignments, droppable: [5] }, columns).join('\n');
}

function errorRow(format: FormatError, decibelsMax: number, ink: Ink): Cell[] {
  const start = [cell(format.label, (text) => ink('strong', text)), cell(shortNumber(format.bitsPerValue, 4))];
  if (format.kind === 'unfit') return [...start, cell(format.reason, (text) => ink('quiet', text))];
  const { relativeRms, snrDb, zeroedShare } = format;
  const length = Math.max(0, Math.round(((snrDb ?? 0) / decibelsMax) * 16));
  const tone = relativeRms === null || relativeRms <= 0.01 ? 'good' : relativeRms <= 0.1 ? 'fair' : 'bad';
  return [
    ...start,
    cell(shortNumber(fromJsonNumber(format.rmsError), 3)),
    cell(relativeRms === null ? '' : relativeRms === 0 ? 'exact' : percent(relativeRms), (text) => ink(tone, text)),
    cell(snrDb === null ? '' : `${snrDb.toFixed(1)} dB`),
    cell('▪'.repeat(length).padEnd(16), (text) => ink(tone, text)),
    cell(shortNumber(fromJsonNumber(format.maxError), 3)),
    cell(zeroedShare === 0 ? '' : percent(zeroedShare)),
  ];
}
