// Texts under load against the texts of the same requests alone.

import { expect } from 'vitest';
import type { Oracle } from './oracle.ts';

export interface Comparison {
  readonly prompt: Int32Array;
  /** The text under load. */
  readonly text: string;
  /** The text of the request alone. */
  readonly alone: string;
}

/** Asserts that each text is that of the request alone, or parts from it only at near ties, and that at most `partedMax` do. */
export async function expectAlike(
  oracle: Oracle,
  comparisons: readonly Comparison[],
  partedMax: number,
): Promise<void> {
  const gaps: number[] = [];
  let partedCount = 0;
  for (const { prompt, text, alone } of comparisons) {
    if (text === alone) continue;
    partedCount += 1;
    const verdict = await oracle.judge(prompt, text);
    expect(verdict, `${JSON.stringify(text)} instead of ${JSON.stringify(alone)}`).toMatchObject({ kind: 'greedy' });
    if (verdict.kind === 'greedy') gaps.push(...verdict.gaps);
    expect(text.length, 'the length of a text that parted').toBeGreaterThan(0);
  }
  expect(partedCount, `texts that parted, at ties of ${gaps.join(', ')}`).toBeLessThanOrEqual(partedMax);
}
