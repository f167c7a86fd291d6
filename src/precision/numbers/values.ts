// `octet numbers VALUE...` without its terminal: texts in, report or tables out.

import { companionsMax, describeValue } from './describe-value.ts';
import type { Look } from './ink.ts';
import { parseNumber } from './parse-number.ts';
import { formatRanges } from './range-table.ts';
import type { ValueReport } from './value-report.ts';
import { formatLegend, formatValue } from './value-table.ts';

export interface ValuesReport {
  readonly values: readonly ValueReport[];
}

/** Every value in every format. `beside` are the other values of its block, separated by commas. Throws on what is no number. */
export function reportValues(texts: readonly string[], beside?: string): ValuesReport {
  const companions = beside === undefined ? [] : beside.split(',').map(numberOf);
  if (companions.length > companionsMax)
    throw new Error(
      `--with must be at most ${companionsMax} values, as a block of NVFP4 has 16. Given: ${companions.length}`,
    );
  const infinite = companions.find((value) => !Number.isFinite(Math.fround(value)));
  if (infinite !== undefined) throw new Error(`--with must be finite numbers of fp32. Given: ${infinite}`);
  return { values: texts.map((input) => describeValue({ input, value: numberOf(input) }, companions)) };
}

/** A table for each value, the legend, and the ranges of all formats. */
export function formatValues({ values }: ValuesReport, look: Look): string {
  const tables = values.map((report) => formatValue(report, look));
  return [...tables, formatLegend(look.ink), formatRanges(look)].join('\n\n');
}

function numberOf(text: string): number {
  const parsed = parseNumber(text);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  return parsed.value;
}
