// The statistics of an importance matrix as a table.

import { formatColumns, formatCount } from '../../format.ts';
import { percent, shortNumber } from '../numbers/number-text.ts';
import type { TensorStatistics } from './statistics.ts';

const header = [
  'tensor',
  'channels',
  'sum',
  'mean',
  'largest',
  'top 1% hold',
  'active',
  'entropy',
  'like layer before',
];

export function formatStatistics(statistics: readonly TensorStatistics[]): string {
  const rows = statistics.map((of) => [
    of.tensor,
    String(of.channelCount),
    shortNumber(of.sum, 4),
    shortNumber(of.mean, 3),
    shortNumber(of.max, 4),
    percent(of.topShare),
    percent(of.activeShare, 3),
    percent(of.entropyShare, 3),
    of.similarityBefore === undefined ? '' : of.similarityBefore.toFixed(3),
  ]);
  const numbers = header.map((_, column) => column).slice(1);
  return [...formatColumns([header, ...rows], numbers), ...unseenNotes(statistics)].join('\n');
}

/** Experts that no token was sent to count as equally important everywhere, which the operator should know. */
function unseenNotes(statistics: readonly TensorStatistics[]): string[] {
  const lacking = statistics.filter(({ unseenCount }) => unseenCount > 0);
  return lacking.map(
    ({ tensor, unseenCount, matrixCount }) =>
      `${tensor}: ${formatCount(unseenCount)} of ${formatCount(matrixCount)} experts saw no token; more text would reach them`,
  );
}
