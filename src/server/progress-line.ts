// A progress bar on a terminal, and nothing anywhere else: a log file wants no line per percent.

import { formatProgress } from './banner.ts';

export interface ProgressLine {
  readonly show: (fraction: number) => void;
  /** Leaves the terminal's line clean. */
  readonly end: () => void;
}

/** A line on standard error that is written over itself. */
export function createProgressLine(label: string): ProgressLine {
  const { stderr } = process;
  if (!stderr.isTTY) return { show: () => undefined, end: () => undefined };
  let isShown = false;
  return {
    show(fraction) {
      isShown = true;
      stderr.write(`\r${formatProgress(label, fraction, stderr.columns)}`);
    },
    end() {
      if (isShown) stderr.write('\r\u001b[2K');
      isShown = false;
    },
  };
}
