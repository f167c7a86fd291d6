// A metric as a name, a meaning and a function that is read when somebody scrapes.
// Why read, not written: recording stays plain arithmetic, and a second name for the same measure costs nothing.

import type { Buckets } from './metrics-histogram.ts';

export type Labels = Readonly<Record<string, string>>;

/** One line of the exposition: a value, and labels beside the constant ones. */
export interface Sample {
  readonly value: number;
  readonly labels?: Labels;
}

interface SeriesName {
  readonly name: string;
  readonly help: string;
  /** Labels that every line of the metric carries. */
  readonly labels?: Labels;
  /** Further labels that lines may carry. */
  readonly labelNames?: readonly string[];
}

export type Series =
  | (SeriesName & { readonly kind: 'counter' | 'gauge'; readonly read: () => readonly Sample[] })
  | (SeriesName & { readonly kind: 'histogram'; readonly buckets: () => readonly HistogramSample[] });

export interface HistogramSample {
  readonly buckets: Buckets;
  readonly labels?: Labels;
}

/** Where a counter or gauge is read; a bare function where its lines have no labels of their own. */
export type Source =
  | (() => readonly Sample[])
  | { readonly labelNames: readonly string[]; readonly read: () => readonly Sample[] };

export function counter(name: string, help: string, source: Source): Series {
  return { kind: 'counter', name, help, ...(typeof source === 'function' ? { read: source } : source) };
}

export function gauge(name: string, help: string, source: Source): Series {
  return { kind: 'gauge', name, help, ...(typeof source === 'function' ? { read: source } : source) };
}

export function histogram(name: string, help: string, buckets: Buckets): Series {
  const samples = [{ buckets }];
  return { kind: 'histogram', name, help, buckets: () => samples };
}

/** One line without labels. */
export function one(value: number): readonly Sample[] {
  return [{ value }];
}

/** One line for each key of `counts`. */
export function countsBy(labelName: string, counts: ReadonlyMap<string, number>): Source {
  const read = (): Sample[] => [...counts].map(([key, value]) => ({ labels: { [labelName]: key }, value }));
  return { labelNames: [labelName], read };
}
