// Progress of long work on standard error: a line that is written over itself at a terminal, a line every half minute elsewhere.

import type { Terminal } from './command.ts';

export interface EtaProgress {
  /** A new piece of work with so many steps. */
  start(label: string, total: number): void;
  /** `newLabel`: what is worked on now, of the same work. */
  advance(done: number, newLabel?: string): void;
  /** Leaves the terminal's line clean. */
  end(): void;
}

const redrawMs = 200;
const quietMs = 30_000;
const clearLine = '\r\u001b[2K';

export function createEtaProgress({ tell }: Pick<Terminal, 'tell'>): EtaProgress {
  const { stderr } = process;
  const isOverwritten = stderr.isTTY === true;
  let label = '';
  let total = 0;
  let startedMs = 0;
  let shownMs = 0;

  function show(done: number): void {
    const nowMs = performance.now();
    if (nowMs - shownMs < (isOverwritten ? redrawMs : quietMs)) return;
    shownMs = nowMs;
    const line = formatEta({ label, done, total, elapsedMs: nowMs - startedMs });
    if (isOverwritten) stderr.write(`${clearLine}${line.slice(0, (stderr.columns ?? 80) - 1)}`);
    else tell(line);
  }

  return {
    start(newLabel, newTotal) {
      label = newLabel;
      total = newTotal;
      startedMs = performance.now();
      if (!isOverwritten) shownMs = startedMs;
      show(0);
    },
    advance(done, newLabel = label) {
      label = newLabel;
      show(done);
    },
    end() {
      if (isOverwritten) stderr.write(clearLine);
    },
  };
}

/** `demo / q8_0: divergence 24/64, 12 s left`. */
export function formatEta(of: { label: string; done: number; total: number; elapsedMs: number }): string {
  const { label, done, total, elapsedMs } = of;
  const counted = `${label} ${done}/${total}`;
  if (done === 0) return counted;
  const leftSeconds = Math.round(((elapsedMs / done) * (total - done)) / 1000);
  return `${counted}, ${leftSeconds < 120 ? `${leftSeconds} s` : `${Math.round(leftSeconds / 60)} min`} left`;
}
