// Prints the long-prompt measurement: inter-token times before and while the long prompt is read, per server.

import { median } from '../statistics.ts';
import type { LongPromptFigures } from './long-prompt.ts';
import { alignTable } from './table.ts';

export interface LongPromptColumn {
  readonly heading: string;
  /** One per repeat. */
  readonly figures: readonly LongPromptFigures[];
}

/** Medians over the repeats, ready to print, followed by whatever speaks against trusting them. */
export function formatLongPrompt(columns: readonly LongPromptColumn[]): string {
  const rows = lines.map(({ title, read, digits }) => [
    title,
    ...columns.map(({ figures }) => median(figures.flatMap((one) => read(one) ?? []))?.toFixed(digits) ?? '-'),
  ]);
  const doubts = columns.flatMap(({ heading, figures }) =>
    [...new Set(figures.flatMap((one) => one.doubts))].map((doubt) => `doubt (${heading}): ${doubt}`),
  );
  return [alignTable([['', ...columns.map((column) => column.heading)], ...rows]), ...doubts].join('\n');
}

interface Line {
  readonly title: string;
  readonly read: (figures: LongPromptFigures) => number | undefined;
  readonly digits: number;
}

const lines: readonly Line[] = [
  { title: 'inter-token p50 before ms', read: (f) => f.before.p50, digits: 1 },
  { title: 'inter-token p50 during ms', read: (f) => f.during.p50, digits: 1 },
  { title: 'inter-token p99 before ms', read: (f) => f.before.p99, digits: 1 },
  { title: 'inter-token p99 during ms', read: (f) => f.during.p99, digits: 1 },
  { title: 'inter-token max before ms', read: (f) => f.before.max, digits: 1 },
  { title: 'inter-token max during ms', read: (f) => f.during.max, digits: 1 },
  { title: 'p99 during / before', read: (f) => f.slowdownP99, digits: 2 },
  { title: 'gaps before', read: (f) => f.before.gapCount, digits: 0 },
  { title: 'gaps during', read: (f) => f.during.gapCount, digits: 0 },
  { title: 'long prompt TTFT ms', read: (f) => f.longPromptTtftMs, digits: 1 },
  { title: 'long prompt tokens', read: (f) => f.longPromptTokens, digits: 0 },
];
